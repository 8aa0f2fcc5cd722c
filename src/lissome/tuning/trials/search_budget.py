"""How much a search may cost."""

import math
from dataclasses import dataclass

from lissome.core.errors import SettingError


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchBudget:
    """How much a search may cost: in minutes, or in trials, which can be repeated exactly.

    Args:
        minutes: Time for everything but the final measurement, > 0; None sets none. Two trials are made in any case.
        trials: Trials that are looked at, ≥ 1; None sets none. With both, what ends first.
        finalists: Promising trials that get the full recovery, ≥ 1.
        short_images: Training images of the short recovery of a trial, ≥ 1.
        full_epochs: Epochs of the full recovery, ≥ 1; fewer where the minutes do not suffice.
        images: Validation images that trials are scored on, ≥ 1; finalists are scored on all.
        seconds: Time for the pairs of each measurement, > 0.

    Raises:
        SettingError: A number is out of its range, or neither minutes nor trials are given.

    Example:
        >>> SearchBudget(trials=20).finalists
        3
    """

    minutes: float | None = None
    trials: int | None = None
    finalists: int = 3
    short_images: int = 2048
    full_epochs: int = 10
    images: int = 2000
    seconds: float = 3.0

    def __post_init__(self) -> None:
        if self.minutes is None and self.trials is None:
            raise SettingError("has no end", where="SearchBudget", fix="give minutes or trials")
        for name in ("trials", "finalists", "short_images", "full_epochs", "images"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingError(f"{name} is {value}", where="SearchBudget", fix="choose at least 1")
        for name in ("minutes", "seconds"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise SettingError(f"{name} is {value}", where="SearchBudget", fix="choose a value above 0")
