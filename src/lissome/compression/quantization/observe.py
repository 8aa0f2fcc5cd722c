"""Run training images through a traced network, in batches, and keep what its results were seen to be."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from lissome.compression.quantization.placement import places
from lissome.compression.quantization.ranges import Range
from lissome.core.context import Context
from lissome.core.progress import track

_BATCH_VALUES = 1 << 21
"""About so many pixels a batch: large batches of large images only fill the cache."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Where an integer engine rounds, and what was seen there.

    Args:
        ranges: Each node whose result can be rounded, in order, and what was seen; nodes that only move numbers share
            theirs with the node they move from.
        images: How many images were seen.
    """

    ranges: dict[str, Range]
    images: int


def observe(graph: fx.GraphModule, context: Context, images: int, *, counting: bool) -> Observed:
    """Return what each rounded result was seen to be on training images.

    The images are the first of the split, whose order makes every beginning a balanced choice of the classes.

    Args:
        graph: The folded network; its nodes are marked by whether they give tensors.
        context: Has the task.
        images: How many, at most.
        counting: Keep histograms.
    """
    split = context.require_task().train
    (example,) = (one for one, _ in split.batches(1, limit=1))
    mark_tensors(graph, example)
    origins = places(graph)
    ranges = {origin: Range(counting=counting) for origin in dict.fromkeys(origins.values())}
    size = max(1, min(64, _BATCH_VALUES // example.numel()))
    count = min(images, len(split))
    batches = split.batches(size, limit=count)
    observer = _Observer(graph, ranges)
    with torch.inference_mode():
        for batch, _ in track(batches, context.progress, "calibrating", -(-count // size)):
            observer.run(batch)
    return Observed({node.name: ranges[origin] for node, origin in origins.items()}, count)


def mark_tensors(graph: fx.GraphModule, *inputs: Tensor) -> None:
    """Note on each node whether it gives a tensor of floats."""
    with torch.inference_mode():
        _Marker(graph).run(*inputs)


class _Marker(fx.Interpreter):
    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor) and value.is_floating_point():
            n.meta["tensor_meta"] = True
        return value


class _Observer(fx.Interpreter):
    def __init__(self, graph: fx.GraphModule, ranges: dict[fx.Node, Range]) -> None:
        super().__init__(graph)
        self._ranges = ranges

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n in self._ranges:
            self._ranges[n].update(value)
        return value
