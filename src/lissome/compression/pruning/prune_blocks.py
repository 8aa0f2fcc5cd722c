"""Remove whole blocks: the cut that every engine rewards."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from torch import fx, nn

from lissome.compression.pruning.block_costs import loss_without, unexplained
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.module_graph import run_once, trace
from lissome.core.outcome import Note
from lissome.core.step import Change, Step
from lissome.profiling.profile import profile
from lissome.tracing.blocks import Block, find_blocks, without_blocks
from lissome.tracing.calls import flat_tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneBlocks(Step):
    """Remove the blocks that the network loses least by, with their parameters.

    A block has one way in, one way out, of the same shape: a residual block, an inverted residual with a shortcut, a
    ShuffleNet unit, an Inception module that keeps its width. The engine saves its whole time, whatever its widths are.
    Removed by "sensitivity", blocks go one after another, each time the one without which the loss on validation
    images is least; by "least_squares", those whose output is best explained as a linear mix of their input's
    channels, on training images, without labels.

    Args:
        count: How many blocks go, ≥ 1; None goes by `fraction`.
        fraction: Share of the blocks that go, rounded, in (0, 1); None goes by `count`.
        criterion: "sensitivity" or "least_squares".
        images: At most so many images to look at, ≥ 1.
        skip: Patterns of block names (``"stages.stage1.*"``) that stay.
        chains: Single convolutions that keep their input's shape count as blocks, too, outside of blocks.

    Measurements:
        params_before, params, macs_before, macs, blocks_before, blocks, and removed: name, cost and, by sensitivity,
        loss, of each in the order of removal.

    Raises:
        SettingError: A number is out of its range, both or none of `count` and `fraction` are given, there are fewer
            blocks than shall go, or a pattern of `skip` matches none.

    Source:
        Veit, Wilber and Belongie 2016, arXiv:1605.06431 (residual networks survive the loss of a block); Elkerdawy et
        al. 2020, arXiv:2007.08483 (layers over filters where time counts).

    Example:
        >>> import torch
        >>> from lissome.layers.basic_block import BasicBlock
        >>> PruneBlocks(count=1, criterion="least_squares").requires()
        (<Need.EXAMPLE: 'an example input'>, <Need.TASK: 'a task with training data'>)
    """

    count: int | None = None
    fraction: float | None = None
    criterion: Literal["sensitivity", "least_squares"] = "sensitivity"
    images: int = 512
    skip: tuple[str, ...] = ()
    chains: bool = False

    def __post_init__(self) -> None:
        if (self.count is None) == (self.fraction is None):
            raise SettingError("wants either count or fraction", where="PruneBlocks", fix="give one of them")
        if self.count is not None and self.count < 1:
            raise SettingError(f"count is {self.count}", where="PruneBlocks", fix="choose at least 1")
        if self.fraction is not None and not 0 < self.fraction < 1:
            raise SettingError(f"fraction is {self.fraction}", where="PruneBlocks", fix="choose a value in (0, 1)")
        if self.images < 1:
            raise SettingError(f"images is {self.images}", where="PruneBlocks", fix="choose at least 1")
        if self.criterion not in ("sensitivity", "least_squares"):
            raise SettingError(
                f"criterion is {self.criterion!r}",
                where="PruneBlocks",
                fix='choose "sensitivity" or "least_squares"',
            )

    def requires(self) -> tuple[Need, ...]:
        """An example input, and the task's images."""
        return (Need.EXAMPLE, Need.TASK)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Find the blocks, choose, remove, and check that the outputs keep their shapes."""
        inputs = context.example_inputs()
        shapes = _shapes(run_once(model, inputs))
        before = profile(model, inputs)
        graph = trace(model)
        graph.graph.eliminate_dead_code()
        blocks, fixtures = find_blocks(graph, inputs, chains=self.chains)
        free = [one for one in blocks if not self._skipped(one)]
        self._check_skip(blocks)
        wanted = self._wanted(len(free))
        choose = self._by_loss if self.criterion == "sensitivity" else self._by_least_squares
        removed, costs = choose(graph, free, wanted, context)
        names = {one["name"] for one in removed}
        short = without_blocks(graph, [one for one in blocks if one.name in names])
        if _shapes(run_once(short, inputs)) != shapes:
            raise SettingError(
                "removing blocks changed the shape of the output", where="PruneBlocks", fix="report this network"
            )
        after = profile(short, inputs)
        notes = [self._note(one, names, costs.get(one.name)) for one in blocks]
        notes += [Note(one.name, f"stays: {one.reason}", applied=False) for one in fixtures]
        return Change(
            short,
            notes=tuple(notes),
            measurements={
                "params_before": before.params,
                "params": after.params,
                "macs_before": before.macs,
                "macs": after.macs,
                "blocks_before": len(blocks),
                "blocks": len(blocks) - len(removed),
                "removed": removed,
            },
        )

    def _skipped(self, block: Block) -> bool:
        return any(fnmatchcase(block.name, pattern) for pattern in self.skip)

    def _check_skip(self, blocks: Sequence[Block]) -> None:
        for pattern in self.skip:
            if not any(fnmatchcase(one.name, pattern) for one in blocks):
                raise SettingError(
                    f"no block matches {pattern!r}",
                    where="PruneBlocks.skip",
                    fix=f"blocks are {', '.join(one.name for one in blocks[:4])}, …",
                )

    def _wanted(self, free: int) -> int:
        wanted = self.count if self.count is not None else round((self.fraction or 0) * free)
        if wanted > free:
            raise SettingError(
                f"{wanted} blocks shall go and {free} can", where="PruneBlocks", fix="ask for fewer, or set chains"
            )
        return wanted

    def _by_loss(
        self, graph: fx.GraphModule, blocks: Sequence[Block], wanted: int, context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, float]]:
        """Remove one after another; return them, and what each that stays would have cost last."""
        left, removed, costs = list(blocks), list[dict[str, Any]](), dict[str, float]()
        current = graph
        while left and len(removed) < wanted:
            found, _ = find_blocks(current, context.example_inputs(), chains=self.chains)
            names = {one.name for one in left}
            here = [one for one in found if one.name in names]
            losses = loss_without(current, here, context, self.images)
            costs = {one.name: loss - losses.base for one, loss in zip(here, losses.skipped, strict=True)}
            place = min(range(len(here)), key=lambda number: losses.skipped[number])
            chosen = here[place]
            removed.append({"name": chosen.name, "cost": costs[chosen.name], "loss": losses.skipped[place]})
            context.progress.say(f"removes {chosen.name}: loss {losses.base:.4f} to {losses.skipped[place]:.4f}")
            current = without_blocks(current, [chosen])
            left = [one for one in left if one.name != chosen.name]
        return removed, costs

    def _by_least_squares(
        self, graph: fx.GraphModule, blocks: Sequence[Block], wanted: int, context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, float]]:
        shares = unexplained(graph, blocks, context, self.images)
        costs = {one.name: share for one, share in zip(blocks, shares, strict=True)}
        chosen = sorted(costs, key=costs.__getitem__)[:wanted]
        return [{"name": name, "cost": costs[name]} for name in chosen], costs

    def _note(self, block: Block, removed: set[str], cost: float | None) -> Note:
        if block.name in removed:
            return Note(block.name, f"removed, {len(block.layers)} layers")
        if self._skipped(block):
            return Note(block.name, "stays: skipped", applied=False)
        looked = "" if cost is None else f", at a cost of {cost:.4f}"
        return Note(block.name, f"stays: the network would lose more by it{looked}", applied=False)


def _shapes(value: object) -> list[Any]:
    return [one.shape for one in flat_tensors(value)]
