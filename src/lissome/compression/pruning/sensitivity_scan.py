"""Which group of channels can be cut how far: each by itself, at several shares, without fine-tuning."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.scores import L1, Score
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.outcome import Note
from lissome.core.patterns import matches
from lissome.core.settings import fingerprint, hash_of_tensors, key_of, settings_of
from lissome.core.step import Change, Step
from lissome.tracing.groups import Group, groups_of
from lissome.tracing.propagate import propagate
from lissome.training.evaluate import evaluate


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityScan(Step):
    """Measure the validation metric with each group cut by itself; the network stays as it is.

    With a run directory each figure is kept as soon as it is known, and an interrupted scan goes on from there.

    Args:
        keep: Shares of a group's channels that stay, each in (0, 1).
        score: What a channel is worth.
        images: At most so many validation images, ≥ 1.
        skip: Patterns of layer paths whose groups are left out.

    Measurements:
        sensitivity: base (the metric of the network as it is), keep, and for each group its name, channels and metric:
        one for each of `keep`.

    Raises:
        SettingError: A value is out of its range.

    Source:
        Li et al. 2017, Pruning Filters for Efficient ConvNets, arXiv:1608.08710, section 3.2 and figure 2.

    Example:
        >>> SensitivityScan(keep=(0.5, 1.5))
        Traceback (most recent call last):
        lissome.core.errors.SettingError: SensitivityScan: keep is (0.5, 1.5); choose values in (0, 1)
    """

    keep: tuple[float, ...] = (0.25, 0.5, 0.75)
    score: Score = field(default_factory=L1)
    images: int = 512
    skip: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.keep or not all(0 < one < 1 for one in self.keep):
            raise SettingError(f"keep is {self.keep}", where="SensitivityScan", fix="choose values in (0, 1)")
        if self.images < 1:
            raise SettingError(f"images is {self.images}", where="SensitivityScan", fix="choose at least 1")

    def requires(self) -> tuple[Need, ...]:
        """An example input, validation images, and what the score needs."""
        return tuple(dict.fromkeys((Need.EXAMPLE, Need.TASK, *self.score.requires())))

    def change(self, model: nn.Module, context: Context) -> Change:
        """Cut, evaluate, and throw the cut network away."""
        groups, whole = groups_of(propagate(model, context.example_inputs()))
        groups = [one for one in groups if not self._skipped(one)]
        task = context.require_task()
        images, labels = next(iter(task.validation.batches(min(32, self.images), limit=self.images)))
        key = key_of(fingerprint(model), hash_of_tensors(images, labels), self.images, context.seed)
        base = evaluate(model, task.validation, task.metric, limit=self.images)
        rows: list[dict[str, Any]] = []
        for number, group in enumerate(groups):
            metric = []
            for place, keep in enumerate(self.keep):
                context.progress.advance("scan", number * len(self.keep) + place, len(groups) * len(self.keep))
                metric.append(self._metric(model, group, keep, context, key))
            rows.append({"name": group.name, "channels": len(group) * group.channels_a_unit, "metric": metric})
        notes = [
            Note(row["name"], f"{max(base - one for one in row['metric']):.4f} is the most that its loss costs")
            for row in rows
        ]
        notes += [Note(", ".join(one.layers), f"stays whole: {one.reason}", applied=False) for one in whole]
        table = {"base": base, "keep": list(self.keep), "groups": rows}
        return Change(model, tuple(notes), {"sensitivity": table})

    def _skipped(self, group: Group) -> bool:
        return any(matches(layer, self.skip) for layer in group.layers("produces"))

    def _metric(self, model: nn.Module, group: Group, keep: float, context: Context, key: str) -> float:
        only: Mapping[str, float] = {group.name: keep}
        prune = PruneChannels(keep=1.0, keep_of=only, score=self.score, multiple_of=1)
        cell = key_of("SensitivityScan", key, settings_of(prune))
        kept = context.memory.recall(cell) if context.memory else None
        if kept is not None:
            return float(str(kept[1]["metric"]))
        task = context.require_task()
        cut = prune.apply(model, context).model
        metric = evaluate(cut, task.validation, task.metric, limit=self.images)
        if context.memory:
            context.memory.keep(cell, nn.Identity(), {"metric": metric})
        return metric
