"""What a network loses when a block is skipped."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from lissome.core.context import Context
from lissome.core.module_graph import evaluation_mode
from lissome.core.progress import track
from lissome.tracing.blocks import Block

_BATCH = 64
_DAMPING = 1e-6
_POSITIONS = 64


@dataclass(frozen=True, slots=True)
class SkipCosts:
    """Losses on validation images.

    Args:
        base: Mean loss of the network as it is.
        skipped: Mean loss with each of the blocks skipped, in their order.
    """

    base: float
    skipped: tuple[float, ...]


def loss_without(graph: fx.GraphModule, blocks: Sequence[Block], context: Context, images: int) -> SkipCosts:
    """Return the task's loss on validation images with each block skipped, one at a time.

    What comes before a block is computed once for all of them.

    Args:
        graph: The network.
        blocks: Of this graph.
        context: Task.
        images: At most so many validation images.
    """
    task = context.require_task()
    count = min(images, len(task.validation))
    base, losses, seen = 0.0, [0.0] * len(blocks), 0
    after = [_after(graph, one) for one in blocks]
    with evaluation_mode(graph), torch.inference_mode():
        batches = task.validation.batches(_BATCH, limit=count)
        for batch, labels in track(batches, context.progress, "skip blocks", math.ceil(count / _BATCH)):
            interpreter = fx.Interpreter(graph, garbage_collect_values=False)
            base += len(labels) * float(task.loss(interpreter.run(batch), labels))
            known = dict(interpreter.env)
            for place, (block, later) in enumerate(zip(blocks, after, strict=True)):
                start = {node: value for node, value in known.items() if node not in later}
                start[block.exit] = known[block.entry]
                output = fx.Interpreter(graph).run(batch, initial_env=start)
                losses[place] += len(labels) * float(task.loss(output, labels))
            seen += len(labels)
    return SkipCosts(base / seen, tuple(loss / seen for loss in losses))


def _after(graph: fx.GraphModule, block: Block) -> set[fx.Node]:
    """Return the nodes whose values change when the block is skipped, the exit excepted."""
    changed = {block.exit}
    for node in graph.graph.nodes:
        if any(source in changed for source in node.all_input_nodes):
            changed.add(node)
    return changed - {block.exit}


def unexplained(graph: fx.GraphModule, blocks: Sequence[Block], context: Context, images: int) -> list[float]:
    """Return, for each block, which share of what it makes is no linear mix of the channels that it reads.

    With X the input's pixels as rows of channels, one more column of ones, and Y those of the output, it is
    ``|Y - X W|² / |Y - mean(Y)|²`` at the best W. No label is read. A block that hardly adds to its input, or only
    mixes its channels, is near 0.

    Args:
        graph: The network.
        blocks: Of this graph.
        context: Task, whose training images are read, and seed.
        images: At most so many training images.
    """
    task = context.require_task()
    sums: list[Any] = [0.0] * len(blocks)
    count = min(images, len(task.train))
    generator = context.generator("PruneBlocks")
    with evaluation_mode(graph), torch.inference_mode():
        batches = task.train.batches(_BATCH, generator=generator, limit=count)
        for batch, _ in track(batches, context.progress, "watch blocks", math.ceil(count / _BATCH)):
            interpreter = fx.Interpreter(graph, garbage_collect_values=False)
            interpreter.run(batch)
            for place, block in enumerate(blocks):
                rows = torch.cat(list(_rows(interpreter.env, block)), 1)
                sums[place] = sums[place] + rows.T @ rows
    return [_unexplained_share(one) for one in sums]


def _rows(values: dict[fx.Node, Any], block: Block) -> Iterator[Tensor]:
    """Yield a column of ones, then input and output of a block: some pixels as rows, channels as columns."""
    before, after = (values[node].double() for node in (block.entry, block.exit))
    pixels = [one.flatten(2).movedim(1, 2) if one.dim() > 2 else one.unsqueeze(1) for one in (before, after)]
    step = max(1, pixels[0].shape[1] // _POSITIONS)
    thin = [one[:, ::step].flatten(0, 1) for one in pixels]
    yield torch.ones(len(thin[0]), 1, dtype=torch.float64)
    yield from thin


def _unexplained_share(moments: Tensor) -> float:
    """Return the share of the outputs' variance that is left, of the matrix of sums of products [1 X Y]ᵀ[1 X Y]."""
    size = (len(moments) - 1) // 2 + 1
    gram, cross, target = moments[:size, :size], moments[:size, size:], moments[size:, size:]
    damped = gram + _DAMPING * gram.diagonal().mean() * torch.eye(size, dtype=gram.dtype)
    left = target.diagonal().sum() - (cross * torch.linalg.solve(damped, cross)).sum()
    variance = target.diagonal().sum() - (moments[0, size:] ** 2 / moments[0, 0]).sum()
    return float((left / variance.clamp_min(1e-12)).clamp(0, 1))
