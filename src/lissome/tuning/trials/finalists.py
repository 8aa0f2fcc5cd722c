"""Who gets the full recovery: along the front, the boldest network that still keeps the drop is found by halving."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from lissome.tuning.trials.limit import Limit
from lissome.tuning.trials.trial import Trial

_RECOVERS = 3.0
"""About how much of the loss after a short recovery is gone after the full one: a first guess, which trials correct."""
_POINTS = 0.02


def front(trials: Sequence[Trial], limit: Limit) -> list[Trial]:
    """Return the promising trials, the best by the goal first: nothing is as good and loses less.

    Those that miss the time or the size are left out, as training would not change that; where all do, the nearest of
    them are taken.

    Args:
        trials: Trials after the short recovery.
        limit: What must be kept, and the goal.
    """
    able = [one for one in trials if not one.failed]
    fitting = [one for one in able if not set(one.missed) - {"max_drop"}]
    if not fitting and able:
        fixed = {one.number: sum(share for name, share in one.missed.items() if name != "max_drop") for one in able}
        least = min(fixed.values())
        fitting = [one for one in able if fixed[one.number] <= 1.1 * least]
    order = sorted(fitting, key=lambda one: (limit.value(one.figures), one.figures["drop"], one.number))
    kept: list[Trial] = []
    for one in order:
        if not kept or one.figures["drop"] < kept[-1].figures["drop"] or limit.aim == "accuracy":
            kept.append(one)
    return kept


def may_recover(trial: Trial, limit: Limit) -> bool:
    """Tell whether a full recovery can be hoped to bring a trial's drop within the limit."""
    return limit.max_drop is None or trial.figures["drop"] <= max(_RECOVERS * limit.max_drop, limit.max_drop + _POINTS)


@dataclass(slots=True)
class Halving:
    """Chooses along a front, the boldest first, who is trained next.

    Args:
        candidates: The front.
        limit: What must be kept.
    """

    candidates: Sequence[Trial]
    limit: Limit
    _low: int = field(default=0, init=False)
    _high: int = field(default=0, init=False)
    _asked: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._high = len(self.candidates)

    def next(self) -> Trial | None:
        """Return who is next, or None where nobody bolder can be hoped for."""
        if self._low >= self._high:
            return None
        if self.limit.max_drop is None or self.limit.aim == "accuracy":
            return self.candidates[self._low]
        if self._asked:
            return self.candidates[(self._low + self._high) // 2]
        return next((one for one in self.candidates if may_recover(one, self.limit)), self.candidates[self._high - 1])

    def tell(self, trial: Trial, *, kept: bool) -> None:
        """Take note whether it kept the drop after the full recovery: bolder ones come next, or calmer ones."""
        place = next(at for at, one in enumerate(self.candidates) if one.number == trial.number)
        self._asked += 1
        if self.limit.max_drop is None or self.limit.aim == "accuracy":
            self._low = place + 1
        elif kept:
            self._high = place
        else:
            self._low = place + 1


def winner_of(trials: Sequence[Trial], limit: Limit) -> Trial | None:
    """Return the best by the goal that keeps all limits; where none does, the one that misses them least.

    Args:
        trials: After whatever recovery; of the same network the one trained longer counts.
        limit: What must be kept.
    """
    able = [one for one in trials if not one.failed]
    full = {one.number for one in able if one.stage == "full"}
    able = [one for one in able if one.stage == "full" or one.number not in full]
    keeping = [one for one in able if not one.missed]
    if keeping:
        return min(keeping, key=lambda one: (limit.value(one.figures), one.figures["drop"], one.number))
    return min(able, key=lambda one: (sum(one.missed.values()), limit.value(one.figures), one.number), default=None)


def verdict(trials: Sequence[Trial], winner: Trial, limit: Limit) -> str:
    """Return whether the limits are kept; where they are not, which cannot be met and what the nearest is."""
    if not winner.missed:
        return f"all limits are kept on the validation images by trial {winner.number}"
    able = [one for one in trials if not one.failed]
    units = {
        "max_ms": ("latency_ms", "{:.3f} ms", 1.0),
        "max_kib": ("stored_kib", "{:.1f} KiB", 1.0),
        "max_drop": ("drop", "{:.2f} points", 100.0),
    }
    alone, together = [], []
    for name in winner.missed:
        figure, form, factor = units[name]
        least = min(able, key=lambda one: one.figures[figure])
        bound = form.format(factor * getattr(limit, name))
        if name in least.missed:
            nearest = form.format(factor * least.figures[figure])
            alone.append(f"{name} {bound} was met by nothing that was tried; the nearest is {nearest}")
        else:
            reached = form.format(factor * winner.figures[figure])
            together.append(f"{name} {bound} was not met together with the others; here it is {reached}")
    return f"{'; '.join((*alone, *together))} (trial {winner.number})"
