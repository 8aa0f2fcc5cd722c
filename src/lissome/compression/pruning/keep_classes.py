"""Shrink a classifier to some of its classes: what only the others need goes, too."""

import copy
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.receipt import cost_change
from lissome.compression.pruning.scores import Taylor
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.outcome import Note, Outcome
from lissome.core.recipe import Recipe, apply_as
from lissome.core.step import Change, Step
from lissome.data.class_subset import class_numbers
from lissome.data.task import Task
from lissome.profiling.profile import profile
from lissome.tracing.classifier import with_classes
from lissome.training.recalibrate_batch_norm import RecalibrateBatchNorm
from lissome.training.train import Train


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepClasses(Step):
    """Cut a classifier to some classes, prune what those do not need, and train it on them alone.

    The steps behind it, and the artifact, have the smaller task: the outputs are the classes named, in the order of
    the task, and "other" last. The teacher is the uncompressed network cut to the same classes.

    Args:
        classes: Numbers or names of those that stay.
        other: One class more for all that is none of them. Without it the network takes every image for one of the
            classes named.
        prune: The pruning; its score looks at images of these classes alone, so a channel that only others need is
            worth nothing. None only cuts the classifier. Default half of the multiply-adds, by `Taylor`.
        recalibrate: The statistics of these classes; None leaves those of all.
        train: The training at the end; None does without. Default 2 epochs beside the uncompressed network.

    Measurements:
        classes (numbers), params_before, params, macs_before, macs; val_metric with training.

    Raises:
        SettingError: A class does not exist, is named twice, it is none or all of them, or the task is none of ours.
        BadModelError: The network is no classifier that ends in logits of one layer.

    Example:
        >>> KeepClasses(classes=("cat", "dog"), prune=None, recalibrate=None, train=None).requires()
        (<Need.EXAMPLE: 'an example input'>, <Need.TASK: 'a task with training data'>)
    """

    classes: tuple[int | str, ...]
    other: bool = False
    prune: PruneChannels | None = field(
        default_factory=lambda: PruneChannels(keep=0.5, objective="macs", score=Taylor(normalize="mean"))
    )
    recalibrate: RecalibrateBatchNorm | None = field(default_factory=RecalibrateBatchNorm)
    train: Train | None = field(default_factory=lambda: Train(epochs=2, teacher="original"))

    def __post_init__(self) -> None:
        if not self.classes or (len(self.classes) == 1 and not self.other):
            raise SettingError(
                f"{len(self.classes)} classes leave nothing to decide",
                where="KeepClasses",
                fix="name two or more, or one with other=True",
            )

    def requires(self) -> tuple[Need, ...]:
        """Return what the inner steps need; the network that comes in serves as original where there is none."""
        inner = Recipe(*self._inner()).requires()
        return tuple(dict.fromkeys((Need.EXAMPLE, Need.TASK, *inner)))

    def context_after(self, context: Context) -> Context:
        """Return the context of the smaller task, its original cut to the same classes."""
        task = _task(context)
        original = context.original
        if original is not None:
            original = self._cut(original, context)
        return replace(context, task=task.only(self.classes, other=self.other), original=original)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Cut the classifier alone."""
        inputs = context.example_inputs()
        before = profile(model, inputs)
        cut = self._cut(model, context)
        after = profile(cut, inputs)
        names = _task(context).only(self.classes, other=self.other).class_names
        return Change(
            cut,
            (Note("", f"classes {', '.join(names)} of {_task(context).classes}"),),
            {
                "classes": list(class_numbers(self.classes, _task(context).class_names)),
                **before.change_to(after),
            },
        )

    def apply(self, model: nn.Module, context: Context) -> Outcome:
        """Cut, prune, recalibrate and train, each kept in the context's memory.

        Raises:
            SettingError: As above, or the context lacks something.
        """
        if not self._inner():
            return Step.apply(self, model, context)
        alone = replace(self, prune=None, recalibrate=None, train=None)
        return apply_as(self, (alone, *self._inner()), model, context.or_original(model), _measurements)

    def _inner(self) -> tuple[Step, ...]:
        return tuple(one for one in (self.prune, self.recalibrate, self.train) if one is not None)

    def _cut(self, model: nn.Module, context: Context) -> nn.Module:
        chosen = class_numbers(self.classes, _task(context).class_names)
        return with_classes(copy.deepcopy(model), context.example_inputs(), chosen, other=self.other)


def _task(context: Context) -> Task:
    task = context.require_task()
    if not isinstance(task, Task):
        raise SettingError("needs a task whose classes it can choose", where="KeepClasses", fix="make a lissome.Task")
    return task


def _measurements(outcome: Outcome) -> dict[str, Any]:
    first = outcome.parts[0].measurements
    last = next((one for one in reversed(outcome.parts) if "macs" in one.measurements), outcome.parts[0])
    tuned = outcome.parts[-1].measurements
    return {
        "classes": first["classes"],
        **cost_change(first, last.measurements),
        **({"val_metric": tuned["val_metric"]} if "val_metric" in tuned else {}),
    }
