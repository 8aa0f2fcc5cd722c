"""Remove whole channels, so that the network really gets smaller."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

import torch
from torch import Tensor, nn

from lissome.compression.pruning.reconstruction import reconstruct
from lissome.compression.pruning.rounding import rounded_units
from lissome.compression.pruning.scores import BatchNormScale, Score
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.module_graph import run_once
from lissome.core.outcome import Note
from lissome.core.step import Change, Step
from lissome.profiling.profile import profile
from lissome.tracing.calls import flat_tensors
from lissome.tracing.groups import Group, Whole, groups_of
from lissome.tracing.propagate import propagate
from lissome.tracing.surgery import keep_units


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneChannels(Step):
    """Remove the channels that are worth least, from every layer that makes, scales or reads them.

    Channels that reach the network's output are never removed. What must stay whole is named in the receipt.

    Args:
        keep: Fraction of channels that stay, in (0, 1]. Rounding moves it; the receipt says where to.
        score: What a channel is worth. Default the scale of its batch normalisation.
        scope: "local": the same fraction of every group; "global": one threshold for the whole network.
        multiple_of: The channels kept of a group are a multiple of this, ≥ 1, or all of them. Default 8.
        keep_at_least: Fraction of every group that stays whatever the threshold, [0, 1); with "global" it hinders that
            one layer is cut to almost nothing.
        skip: Patterns of layer paths (``"stages.*.conv2.*"``) whose groups stay whole.
        reconstruct: Training images on which the layers that read pruned channels are fitted to what they computed
            before, by least squares; 0 leaves their weights as they are. Fine-tuning then starts much nearer.

    Raises:
        SettingError: A number is out of its range, or a pattern of `skip` matches no group.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 8, 1))
        >>> context = Context(example=torch.zeros(1, 3, 8, 8))
        >>> from lissome.compression.pruning.scores import L1
        >>> PruneChannels(keep=0.5, score=L1()).apply(network, context).model[0]
        Conv2d(3, 16, kernel_size=(3, 3), stride=(1, 1))
    """

    keep: float = 0.5
    score: Score = field(default_factory=BatchNormScale)
    scope: Literal["local", "global"] = "local"
    multiple_of: int = 8
    keep_at_least: float = 0.0
    skip: tuple[str, ...] = ()
    reconstruct: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise SettingError(f"keep is {self.keep}", where="PruneChannels", fix="choose a value in (0, 1]")
        if not 0 <= self.keep_at_least < 1:
            raise SettingError(
                f"keep_at_least is {self.keep_at_least}", where="PruneChannels", fix="choose a value in [0, 1)"
            )
        if self.multiple_of < 1:
            raise SettingError(f"multiple_of is {self.multiple_of}", where="PruneChannels", fix="choose at least 1")
        if self.reconstruct < 0:
            raise SettingError(
                f"reconstruct is {self.reconstruct}", where="PruneChannels", fix="choose 0 or more images"
            )
        if self.scope not in ("local", "global"):
            raise SettingError(f"scope is {self.scope!r}", where="PruneChannels", fix='choose "local" or "global"')

    def requires(self) -> tuple[Need, ...]:
        """An example input; training images to reconstruct."""
        return (Need.EXAMPLE, Need.TASK) if self.reconstruct else (Need.EXAMPLE,)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Trace, score, choose, cut, and check that the outputs keep their shapes."""
        inputs = context.example_inputs()
        shapes = _shapes(run_once(model, inputs))
        before = profile(model, inputs)
        channels = propagate(model, inputs)
        groups, whole = groups_of(channels)
        generator = context.generator("PruneChannels")
        scores = [None if self._skipped(one) else self.score.of(one, model, generator) for one in groups]
        self._check_skip(groups)
        keep = _choose(groups, scores, self._counts(groups, scores))
        adapted = reconstruct(model, groups, keep, context, self.reconstruct) if self.reconstruct else ()
        notes = (*_notes(groups, scores, keep, whole), *adapted)
        pruned = keep_units(model, channels, keep, groups)
        if _shapes(run_once(pruned, inputs)) != shapes:
            raise SettingError(
                "pruning changed the shape of the output", where="PruneChannels", fix="report this network"
            )
        after = profile(pruned, inputs)
        return Change(
            pruned,
            notes=notes,
            measurements={
                "params_before": before.params,
                "params": after.params,
                "macs_before": before.macs,
                "macs": after.macs,
            },
        )

    def _skipped(self, group: Group) -> bool:
        return any(fnmatchcase(layer, pattern) for layer in group.layers("produces") for pattern in self.skip)

    def _check_skip(self, groups: list[Group]) -> None:
        layers = [layer for group in groups for layer in group.layers("produces")]
        for pattern in self.skip:
            if not any(fnmatchcase(layer, pattern) for layer in layers):
                raise SettingError(
                    f"no layer that can be pruned matches {pattern!r}",
                    where="PruneChannels.skip",
                    fix=f"layers are {', '.join(layers[:4])}, …",
                )

    def _counts(self, groups: list[Group], scores: Sequence[Tensor | None]) -> list[int]:
        """Return how many units of each group stay."""
        scored = [one for one in scores if one is not None]
        wanted = [self.keep * len(group) for group in groups]
        if self.scope == "global" and scored:
            everything = torch.cat(scored).sort(descending=True).values
            threshold = everything[max(1, round(self.keep * len(everything))) - 1]
            wanted = [0.0 if one is None else float((one >= threshold).sum()) for one in scores]
        wanted = [max(count, self.keep_at_least * len(group)) for count, group in zip(wanted, groups, strict=True)]
        return [
            len(group) if worth is None else rounded_units(count, len(group), group.channels_a_unit, self.multiple_of)
            for group, worth, count in zip(groups, scores, wanted, strict=True)
        ]


def _choose(groups: list[Group], scores: Sequence[Tensor | None], counts: list[int]) -> dict[int, Tensor]:
    """Return, for the groups that lose units, which stay: the most worthy, earlier ones first among equals."""
    keep = {}
    for number, (group, worth, count) in enumerate(zip(groups, scores, counts, strict=True)):
        if worth is None or count >= len(group):
            continue
        mask = torch.zeros(len(group), dtype=torch.bool)
        mask[worth.sort(descending=True, stable=True).indices[:count]] = True
        keep[number] = mask
    return keep


def _notes(
    groups: list[Group], scores: Sequence[Tensor | None], keep: dict[int, Tensor], whole: list[Whole]
) -> tuple[Note, ...]:
    notes = []
    for number, (group, worth) in enumerate(zip(groups, scores, strict=True)):
        width = len(group) * group.channels_a_unit
        if number in keep:
            left = int(keep[number].sum()) * group.channels_a_unit
            notes.append(Note(group.name, f"kept {left} of {width} channels"))
        elif worth is None:
            notes.append(Note(group.name, f"all {width} channels stay: skipped, or the score is silent", applied=False))
        else:
            notes.append(Note(group.name, f"all {width} channels stay: nearest to the wanted width", applied=False))
    notes += [Note(", ".join(one.layers), f"stays whole: {one.reason}", applied=False) for one in whole]
    return tuple(notes)


def _shapes(value: object) -> list[torch.Size]:
    return [one.shape for one in flat_tensors(value)]
