"""Remove whole channels, so that the network really gets smaller."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import Tensor, fx, nn

from lissome.compression.pruning.budget import NetworkCost, latency_cost, macs_cost, within_budget
from lissome.compression.pruning.receipt import notes_of, table_of
from lissome.compression.pruning.reconstruction import reconstruct
from lissome.compression.pruning.scores import BatchNormScale, Score
from lissome.compression.pruning.selection import Selection, choose_readers
from lissome.compression.pruning.widths import (
    Scope,
    allowed_counts,
    check_patterns,
    kept_units,
    matches,
    wanted_units,
)
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.module_graph import run_once
from lissome.core.outcome import Note
from lissome.core.step import Change, Step
from lissome.profiling.latency_table import LatencyTable
from lissome.profiling.profile import profile
from lissome.tracing.calls import flat_tensors
from lissome.tracing.groups import Group, groups_of
from lissome.tracing.propagate import propagate
from lissome.tracing.selections import Reader, with_selections, without_idle_selections
from lissome.tracing.surgery import keep_units, kept_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneChannels(Step):
    """Remove the channels that are worth least, from every layer that makes, scales or reads them.

    Channels that reach the network's output are never removed. What must stay whole is named in the receipt.

    Args:
        keep: Fraction of channels, or of the objective, that stays, in (0, 1]. Rounding moves it; the receipt says
            where to.
        score: What a channel is worth. Default the scale of its batch normalisation.
        objective: What `keep` is a fraction of. "channels", as `scope` says; "macs": multiply-adds; a table of measured
            times: what the network takes on that engine. For the latter two, how many channels each group keeps is
            chosen so that the least worth is lost for what is saved: an engine's staircase decides how many, the score
            decides which.
        scope: "local": the same fraction of every group; "global": one threshold for the whole network.
        multiple_of: The channels kept of a group are a multiple of this, ≥ 1, or all of them. Default 8.
        keep_at_least: What stays of every group whatever the threshold: a whole number of channels, or a fraction in
            [0, 1); with "global" it hinders that one layer is cut to almost nothing.
        keep_of: Fractions in (0, 1] for groups by patterns of layer paths, ``{"stages.2.*": 0.75}``; the first pattern
            that fits counts, in either scope.
        skip: Patterns of layer paths (``"stages.*.conv2.*"``) whose groups stay whole.
        selection: Whether a convolution may read some of the channels that stay for others, through a
            `ChannelSelection` in front of it: "never"; "where whole", of channels that are skipped, reach the output or
            that the score is silent about; "where shared", also of those that several layers read, which then stay
            whole, as in network slimming. In each case only where the multiply-adds saved outweigh the bytes moved.
        reconstruct: Training images on which the layers that read pruned channels are fitted to what they computed
            before, by least squares; 0 leaves their weights as they are. Fine-tuning then starts much nearer.

    Measurements:
        params_before, params, macs_before, macs, groups; with an objective other than channels its unit, and
        predicted_before and predicted in it.

    Raises:
        SettingError: A number is out of its range, a pattern of `skip` or `keep_of` matches no group, `keep` cannot be
            reached, or a setting that the objective makes idle is set.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 8, 1))
        >>> context = Context(example=torch.zeros(1, 3, 8, 8))
        >>> from lissome.compression.pruning.scores import L1
        >>> PruneChannels(keep=0.5, score=L1()).apply(network, context).model[0]
        Conv2d(3, 16, kernel_size=(3, 3), stride=(1, 1))
    """

    keep: float = 0.5
    score: Score = field(default_factory=BatchNormScale)
    objective: Literal["channels", "macs"] | LatencyTable = "channels"
    scope: Scope = "local"
    multiple_of: int = 8
    keep_at_least: int | float = 0.0
    keep_of: Mapping[str, float] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    selection: Selection = "never"
    reconstruct: int = 0

    def __post_init__(self) -> None:
        checks = {
            "keep": (0 < self.keep <= 1, "choose a value in (0, 1]"),
            "multiple_of": (self.multiple_of >= 1, "choose at least 1"),
            "keep_at_least": (
                self.keep_at_least >= 1 if isinstance(self.keep_at_least, int) else 0 <= self.keep_at_least < 1,
                "choose a whole number of channels, at least 1, or a fraction in [0, 1)",
            ),
            "keep_of": (all(0 < one <= 1 for one in self.keep_of.values()), "choose values in (0, 1]"),
            "reconstruct": (self.reconstruct >= 0, "choose 0 or more images"),
            "objective": (
                isinstance(self.objective, LatencyTable) or self.objective in ("channels", "macs"),
                'choose "channels", "macs" or a LatencyTable',
            ),
            "scope": (self.scope in ("local", "global"), 'choose "local" or "global"'),
            "selection": (self.selection in get_args(Selection), f"choose one of {', '.join(get_args(Selection))}"),
        }
        for name, (holds, fix) in checks.items():
            if not holds:
                raise SettingError(f"{name} is {getattr(self, name)!r}", where="PruneChannels", fix=fix)
        if self.objective != "channels" and (self.scope != "local" or self.keep_of):
            raise SettingError(
                "the objective decides how many channels each group keeps",
                where="PruneChannels",
                fix='leave scope and keep_of out, or set objective="channels"',
            )

    def requires(self) -> tuple[Need, ...]:
        """An example input; training images to reconstruct; what the score needs."""
        task = (Need.TASK,) if self.reconstruct else ()
        return tuple(dict.fromkeys((Need.EXAMPLE, *task, *self.score.requires())))

    def change(self, model: nn.Module, context: Context) -> Change:
        """Trace, score, choose, cut, and check that the outputs keep their shapes."""
        inputs = context.example_inputs()
        channels = propagate(model, inputs)
        shapes = [tuple(one.shape) for one in flat_tensors(channels.outputs)]
        before = profile(channels.graph, inputs)
        groups, whole = groups_of(channels)
        check_patterns(groups, self.skip, "skip")
        check_patterns(groups, tuple(self.keep_of), "keep_of")
        scores, declined = self._scores(groups, model, context)
        readers, refused = list[Reader](), list[Note]()
        if self.selection != "never":
            readers, refused = choose_readers(channels, groups, declined, self.selection, self.keep)
        if readers:
            model = with_selections(channels.graph, readers)
            channels = propagate(model, inputs)
            groups, whole = groups_of(channels)
            scores, declined = self._scores(groups, model, context)
        cost = self._cost(model, inputs, groups)
        counts = self._counts(groups, scores) if cost is None else self._within(cost, scores)
        keep = _choose(groups, scores, counts)
        adapted = tuple(reconstruct(model, groups, keep, context, self.reconstruct)) if self.reconstruct else ()
        notes = (*notes_of(groups, declined, keep, whole), *refused, *adapted)
        kept = kept_ids(channels, keep, groups)
        pruned = keep_units(model, channels, kept)
        if readers and isinstance(pruned, fx.GraphModule):
            without_idle_selections(pruned)
        if [tuple(one.shape) for one in flat_tensors(run_once(pruned, inputs))] != shapes:
            raise SettingError(
                "pruning changed the shape of the output", where="PruneChannels", fix="report this network"
            )
        after = profile(pruned if isinstance(pruned, fx.GraphModule) else channels.graph, inputs)
        return Change(
            pruned,
            notes=notes,
            measurements={
                **before.change_to(after),
                "groups": table_of(groups, keep),
                **({} if cost is None else _predicted(cost, counts)),
            },
        )

    def _scores(
        self, groups: Sequence[Group], model: nn.Module, context: Context
    ) -> tuple[list[Tensor | None], dict[int, str]]:
        """Return what the units of each group are worth, and for those that stay whole the reason."""
        declined = {
            number: "skipped"
            for number, group in enumerate(groups)
            if not group.is_selected and any(matches(group, pattern) for pattern in self.skip)
        }
        asked = [number for number in range(len(groups)) if number not in declined]
        found = dict(zip(asked, self.score.of([groups[one] for one in asked], model, context), strict=True))
        silent = f"{type(self.score).__name__} is silent about it"
        declined |= {number: silent for number, worth in found.items() if worth is None}
        return [found.get(number) for number in range(len(groups))], declined

    def _cost(self, model: nn.Module, inputs: tuple[Tensor, ...], groups: Sequence[Group]) -> NetworkCost | None:
        if isinstance(self.objective, LatencyTable):
            return latency_cost(model, inputs, groups, self.objective)
        return macs_cost(model, inputs, groups) if self.objective == "macs" else None

    def _within(self, cost: NetworkCost, scores: Sequence[Tensor | None]) -> list[int]:
        allowed = [allowed_counts(group, self.multiple_of, self.keep_at_least) for group in cost.groups]
        return within_budget(cost, scores, allowed, self.keep)

    def _counts(self, groups: Sequence[Group], scores: Sequence[Tensor | None]) -> list[int]:
        """Return how many units of each group stay."""
        wanted = wanted_units(groups, scores, self.keep, self.scope, self.keep_of)
        return [
            len(group) if worth is None else kept_units(group, count, self.multiple_of, self.keep_at_least)
            for group, worth, count in zip(groups, scores, wanted, strict=True)
        ]


def _choose(groups: Sequence[Group], scores: Sequence[Tensor | None], counts: Sequence[int]) -> dict[int, Tensor]:
    """Return, for the groups that lose units, which stay: the most worthy, earlier ones first among equals."""
    keep = {}
    for number, (group, worth, count) in enumerate(zip(groups, scores, counts, strict=True)):
        if worth is None or count >= len(group):
            continue
        mask = torch.zeros(len(group), dtype=torch.bool)
        mask[worth.sort(descending=True, stable=True).indices[:count]] = True
        keep[number] = mask
    return keep


def _predicted(cost: NetworkCost, counts: Sequence[int]) -> dict[str, Any]:
    full = [len(group) for group in cost.groups]
    return {"unit": cost.unit, "predicted_before": cost.at(full), "predicted": cost.at(counts)}
