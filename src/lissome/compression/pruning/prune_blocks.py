"""Remove whole blocks: the cut that every engine rewards."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from torch import fx, nn

from lissome.compression.pruning.block_costs import loss_without, unexplained
from lissome.compression.pruning.block_savings import Savings, savings_of
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.module_graph import run_once, trace
from lissome.core.outcome import Note
from lissome.core.patterns import check_patterns, matches
from lissome.core.step import Change, Step
from lissome.profiling.latency_table import LatencyTable
from lissome.profiling.profile import profile
from lissome.tracing.blocks import Block, find_blocks, without_blocks
from lissome.tracing.calls import flat_tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneBlocks(Step):
    """Remove the blocks that the network loses least by, with their parameters.

    A block has one way in, one way out, of the same shape: a residual block, an inverted residual with a shortcut, a
    ShuffleNet unit, an Inception module that keeps its width. The engine saves its whole time, whatever its widths are.
    Removed by "sensitivity", blocks go one after another, each time the one without which the loss on validation
    images is least for what is saved; by "least_squares", those whose output is best explained as a linear mix of their
    input's channels, on training images, without labels.

    Args:
        count: How many blocks go, ≥ 1; None goes by `keep`.
        keep: Share of the objective that stays, in (0, 1): blocks go until no more is left; None goes by `count`.
        objective: What is saved: "blocks", "macs", or with a table of measured times the time on that engine.
        criterion: "sensitivity" or "least_squares".
        images: At most so many images to look at, ≥ 1.
        skip: Patterns of block names (``"stages.stage1.*"``) that stay.
        chains: Single convolutions that keep their input's shape count as blocks, too, outside of blocks.

    Measurements:
        params_before, params, macs_before, macs, blocks_before, blocks, unit, predicted_before and predicted (the
        objective), and removed: name, cost, saved and, by sensitivity, loss, of each in the order of removal.

    Raises:
        SettingError: A number is out of its range, both or none of `count` and `keep` are given, so many blocks or so
            much cannot go, or a pattern of `skip` matches none.

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
    keep: float | None = None
    objective: Literal["blocks", "macs"] | LatencyTable = "blocks"
    criterion: Literal["sensitivity", "least_squares"] = "sensitivity"
    images: int = 512
    skip: tuple[str, ...] = ()
    chains: bool = False

    def __post_init__(self) -> None:
        if (self.count is None) == (self.keep is None):
            raise SettingError("wants either count or keep", where="PruneBlocks", fix="give one of them")
        if self.count is not None and self.count < 1:
            raise SettingError(f"count is {self.count}", where="PruneBlocks", fix="choose at least 1")
        if self.keep is not None and not 0 < self.keep < 1:
            raise SettingError(f"keep is {self.keep}", where="PruneBlocks", fix="choose a value in (0, 1)")
        if not isinstance(self.objective, LatencyTable) and self.objective not in ("blocks", "macs"):
            raise SettingError(
                f"objective is {self.objective!r}",
                where="PruneBlocks",
                fix='choose "blocks", "macs" or a LatencyTable',
            )
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
        graph = trace(model, inputs)
        graph.graph.eliminate_dead_code()
        blocks, fixtures = find_blocks(graph, inputs, chains=self.chains)
        free = [one for one in blocks if not self._skipped(one)]
        check_patterns(self.skip, [one.name for one in blocks], "PruneBlocks.skip", "block")
        savings = savings_of(graph, inputs, blocks, self.objective)
        choose = self._by_loss if self.criterion == "sensitivity" else self._by_least_squares
        removed, costs = choose(graph, free, _Goal(self, savings), context)
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
                **before.change_to(after),
                "blocks_before": len(blocks),
                "blocks": len(blocks) - len(removed),
                "unit": savings.unit,
                "predicted_before": savings.whole,
                "predicted": savings.left(names),
                "removed": removed,
            },
        )

    def _skipped(self, block: Block) -> bool:
        return matches(block.name, self.skip)

    def _by_loss(
        self, graph: fx.GraphModule, blocks: Sequence[Block], goal: "_Goal", context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, float]]:
        """Remove one after another; return them, and what each that stays would have cost last."""
        names, removed, costs = {one.name for one in blocks}, list[dict[str, Any]](), dict[str, float]()
        goal.check(names)
        current = graph
        while not goal.is_reached([one["name"] for one in removed]):
            found, _ = find_blocks(current, context.example_inputs(), chains=self.chains)
            here = [one for one in found if one.name in names]
            if not here:  # what is left lay within blocks that are gone
                goal.refuse([one["name"] for one in removed])
            losses = loss_without(current, here, context, self.images)
            by_name = {one.name: loss for one, loss in zip(here, losses.skipped, strict=True)}
            costs = {name: loss - losses.base for name, loss in by_name.items()}
            chosen = min(here, key=lambda one: goal.price(one.name, costs[one.name]))
            saved, loss = goal.savings.of[chosen.name], by_name[chosen.name]
            removed.append({"name": chosen.name, "cost": costs[chosen.name], "saved": saved, "loss": loss})
            context.progress.say(f"removes {chosen.name}: loss {losses.base:.4f} to {loss:.4f}")
            current = without_blocks(current, [chosen])
            names.discard(chosen.name)
        return removed, costs

    def _by_least_squares(
        self, graph: fx.GraphModule, blocks: Sequence[Block], goal: "_Goal", context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, float]]:
        goal.check({one.name for one in blocks})
        shares = unexplained(graph, blocks, context, self.images)
        costs = {one.name: share for one, share in zip(blocks, shares, strict=True)}
        nodes, gone = {one.name: one.nodes for one in blocks}, set[fx.Node]()
        removed: list[dict[str, Any]] = []
        for name in sorted(costs, key=lambda one: goal.price(one, costs[one])):
            if goal.is_reached([one["name"] for one in removed]):
                break
            if nodes[name] <= gone:  # it lies within a block that is gone
                continue
            gone |= nodes[name]
            removed.append({"name": name, "cost": costs[name], "saved": goal.savings.of[name]})
        return removed, costs

    def _note(self, block: Block, removed: set[str], cost: float | None) -> Note:
        if block.name in removed:
            return Note(block.name, f"removed, {len(block.layers)} layers")
        if self._skipped(block):
            return Note(block.name, "stays: skipped", applied=False)
        looked = "" if cost is None else f", at a cost of {cost:.4f}"
        return Note(block.name, f"stays: the network would lose more by it{looked}", applied=False)


@dataclass(frozen=True, slots=True)
class _Goal:
    """When enough blocks are gone, and what a loss is worth for what it saves."""

    step: PruneBlocks
    savings: Savings

    def is_reached(self, removed: Sequence[str]) -> bool:
        if self.step.count is not None:
            return len(removed) >= self.step.count
        return self.savings.left(removed) <= (self.step.keep or 1) * self.savings.whole * (1 + 1e-9)

    def price(self, name: str, cost: float) -> float:
        saved = max(self.savings.of[name], 1e-12)
        return cost / saved if cost > 0 else cost * saved

    def check(self, names: Collection[str]) -> None:
        if not self.is_reached(list(names)):
            self.refuse(list(names))

    def refuse(self, names: Sequence[str]) -> NoReturn:
        if self.step.count is not None:
            what, fix = f"{self.step.count} blocks shall go and {len(names)} can", "ask for fewer, or set chains"
        else:
            least = self.savings.left(names) / self.savings.whole
            what, fix = f"keep is {self.step.keep} and {least:.2f} stays without any block", "raise keep"
        raise SettingError(what, where="PruneBlocks", fix=fix)


def _shapes(value: object) -> list[Any]:
    return [one.shape for one in flat_tensors(value)]
