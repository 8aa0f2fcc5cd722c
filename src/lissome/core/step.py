"""The one abstraction: settings with one verb, which returns a new model and a receipt."""

import copy
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from lissome.core.context import Context, Need
from lissome.core.errors import SettingError, WeightsError
from lissome.core.outcome import Note, Outcome
from lissome.core.settings import settings_of


@dataclass(frozen=True, slots=True)
class Change:
    """What a step's own work hands to `Step.apply`, which makes the Outcome of it.

    Args:
        model: The changed copy.
        notes: What was changed and declined.
        measurements: Figures measured or counted.
    """

    model: nn.Module
    notes: tuple[Note, ...] = ()
    measurements: Mapping[str, Any] = field(default_factory=dict)


class Step(ABC):
    """Settings with one verb. Subclasses are frozen dataclasses and implement `change` and, if need be, `requires`."""

    __slots__ = ()

    def requires(self) -> tuple[Need, ...]:
        """Return what the context must have."""
        return ()

    @abstractmethod
    def change(self, model: nn.Module, context: Context) -> Change:
        """Do the work on a copy that belongs to this step."""

    def context_after(self, context: Context) -> Context:
        """Return the context of the steps behind this one; another one where a step changes what the network is for."""
        return context

    def apply(self, model: nn.Module, context: Context) -> Outcome:
        """Return a new model and a receipt; the model given is untouched.

        Args:
            model: Any module that can be copied.
            context: Data, example input, seed.

        Raises:
            SettingError: The context lacks something the step requires.
            WeightsError: A weight is NaN or infinite.
        """
        self.check(model, context)
        started = time.perf_counter()
        change = self.change(copy.deepcopy(model), context)
        return Outcome(
            model=change.model,
            step=type(self).__name__,
            settings=settings_of(self),
            notes=tuple(change.notes),
            measurements=dict(change.measurements),
            seconds=time.perf_counter() - started,
            context=self.context_after(context),
        )

    def check(self, model: nn.Module, context: Context) -> None:
        """Refuse before any work: missing context, weights that are not finite."""
        for need in self.requires():
            if not context.has(need):
                raise SettingError(f"needs {need.value}", where=type(self).__name__, fix="give it in the Context")
        require_finite(model)


def require_finite(model: nn.Module) -> None:
    """Refuse a model with a weight that is NaN or infinite.

    Raises:
        WeightsError: Names the first such tensor and how many of its entries are not finite.

    Example:
        >>> layer = nn.Linear(1, 1)
        >>> _ = layer.weight.data.fill_(float("nan"))
        >>> require_finite(layer)
        Traceback (most recent call last):
        lissome.core.errors.WeightsError: weight: 1 of 1 values are not finite; load sound weights
    """
    for name, tensor in model.state_dict().items():
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point() and tensor.device.type != "meta":
            # A sum is finite only if all is, and many times faster; it can also overflow, so the count decides.
            wrong = 0 if math.isfinite(tensor.sum()) else int((~torch.isfinite(tensor)).sum())
            if wrong:
                raise WeightsError(
                    f"{wrong} of {tensor.numel()} values are not finite", where=name, fix="load sound weights"
                )
