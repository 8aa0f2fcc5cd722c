"""Steps in order, which are a step again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from lissome.core.context import Context, Need
from lissome.core.outcome import Note, Outcome
from lissome.core.settings import fingerprint, hash_of_tensors, key_of, settings_of
from lissome.core.step import Change, Step

_FIRST_IMAGES = 32


@dataclass(frozen=True, init=False, slots=True)
class Recipe(Step):
    """Steps in order; a recipe may hold recipes.

    The needs of all steps are checked before the first one works. With a memory in the context each finished step is
    kept, and a run that was interrupted goes on from the last one.

    Example:
        >>> from lissome.compression.folding.fold_batch_norm import FoldBatchNorm
        >>> len(Recipe(FoldBatchNorm(), Recipe(FoldBatchNorm())).steps)
        2
    """

    steps: tuple[Step, ...]

    def __init__(self, *steps: Step) -> None:
        object.__setattr__(self, "steps", steps)

    def requires(self) -> tuple[Need, ...]:
        """Return what any of the steps needs; a recipe itself provides the original network."""
        needs = {need for step in self.steps for need in step.requires()}
        return tuple(sorted(needs - {Need.ORIGINAL}, key=lambda need: need.name))

    def context_after(self, context: Context) -> Context:
        """Return the context as the steps leave it, one after another."""
        for step in self.steps:
            context = step.context_after(context)
        return context

    def change(self, model: nn.Module, context: Context) -> Change:
        """Not used: a recipe's work is done by `apply`, which keeps the receipt of each step."""
        return Change(self.apply(model, context).model)

    def apply(self, model: nn.Module, context: Context) -> Outcome:
        """Apply the steps in order.

        Raises:
            SettingError: A step needs something that the context lacks; nothing has been done then.
        """
        self.check(model, context)
        context = context.or_original(model)
        key = ""
        if context.memory:
            key = key_of(fingerprint(model), fingerprint(context.require_original()), _context_key(context))
        parts: list[Outcome] = []
        current = model
        for number, step in enumerate(self.steps, start=1):
            key = key_of(key, settings_of(step))
            name = type(step).__name__
            context.progress.say(f"step {number} of {len(self.steps)}: {name}")
            inner = context.within(f"{number}_{name}")
            outcome = self._recalled(inner, key) or self._fresh(inner, key, step, current)
            parts.append(outcome)
            current, context = outcome.model, step.context_after(context)
        seconds = sum(part.seconds for part in parts)
        return Outcome(
            model=current,
            step="Recipe",
            settings=settings_of(self),
            seconds=seconds,
            parts=tuple(parts),
            context=context,
        )

    @staticmethod
    def _recalled(context: Context, key: str) -> Outcome | None:
        kept = context.memory.recall(key) if context.memory else None
        if kept is None:
            return None
        model, receipt = kept
        context.progress.say("  kept from an earlier run")
        return _outcome(model, receipt)

    @staticmethod
    def _fresh(context: Context, key: str, step: Step, model: nn.Module) -> Outcome:
        outcome = step.apply(model, context)
        if context.memory is None:
            return outcome
        context.memory.keep(key, outcome.model, outcome.to_dict())
        kept = context.memory.recall(key)
        if kept is None:
            context.progress.say("  cannot be kept; a resumed run repeats it")
            return outcome
        # Going on with what a resumed run will find makes both give the same bytes.
        return replace(outcome, model=kept[0])


def apply_as(
    step: Step,
    inner: Sequence[Step],
    model: nn.Module,
    context: Context,
    measured: Callable[[Outcome], Mapping[str, Any]],
) -> Outcome:
    """Apply a step that is several in order, each kept in the context's memory, as a recipe's are.

    Args:
        step: What the outcome bears the name and settings of.
        inner: What is applied.
        model: As for `Step.apply`.
        context: As for `Step.apply`.
        measured: Makes the step's measurements of the recipe's outcome.

    Raises:
        SettingError: The context lacks something; nothing has been done then.
    """
    step.check(model, context)
    outcome = Recipe(*inner).apply(model, context)
    return replace(outcome, step=type(step).__name__, settings=settings_of(step), measurements=measured(outcome))


def tuned_measurements(outcome: Outcome) -> dict[str, Any]:
    """Return what the last step but one measured, and what the training after it reached."""
    compressed, tuned = outcome.parts[-2:]
    return {**compressed.measurements, "val_metric": tuned.measurements["val_metric"]}


def _outcome(model: nn.Module, receipt: dict[str, Any]) -> Outcome:
    return Outcome(
        model=model,
        step=receipt["step"],
        settings=receipt["settings"],
        seconds=receipt["seconds"],
        measurements=receipt["measurements"],
        notes=tuple(Note(**note) for note in receipt["notes"]),
        parts=tuple(_outcome(model, part) for part in receipt["parts"]),
    )


def _context_key(context: Context) -> list[Any]:
    """Return what results depend on beside the model and the settings."""
    example = context.example if isinstance(context.example, tuple) else (context.example,)
    key = [context.seed, [hash_of_tensors(one) for one in example if one is not None]]
    if context.task is not None:
        task = context.task
        splits = (task.train, task.validation, task.test)
        # The number of images and the first few stand for all: reading everything could take as long as the step.
        firsts = [hash_of_tensors(*next(iter(one.batches(_FIRST_IMAGES, limit=_FIRST_IMAGES)))) for one in splits]
        key += [[len(one) for one in splits], firsts, task.classes, task.preprocessing.to_dict()]
    return key
