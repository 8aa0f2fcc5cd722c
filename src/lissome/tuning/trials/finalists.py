"""Who gets the full recovery: along the front, the boldest network that can be hoped to keep the drop."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from lissome.tuning.trials.limit import Limit
from lissome.tuning.trials.trial import Trial

_RECOVERS = 24.0
"""How many times less the drop is after the full recovery than after the short one: a guess. Of ResNet-56 without 13
small blocks 12 times after two epochs (`benchmarks/results/recovery.json`), 20 after six, 26 after eleven; without 11
small blocks 21 after six, 26 after eleven. Large drops shrink by more than small ones."""
_POINTS = 0.02
_TELLING = 0.002
"""A drop below this is noise."""


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


def may_recover(trial: Trial, limit: Limit, recovers: float | None = None) -> bool:
    """Tell whether a full recovery can be hoped to bring a trial's drop within the limit.

    Args:
        trial: After the short recovery.
        limit: What must be kept.
        recovers: How many times less the drop was after the full recovery of others; None guesses.
    """
    if limit.max_drop is None:
        return True
    guess = max(_RECOVERS * limit.max_drop, limit.max_drop + _POINTS)
    return trial.figures["drop"] <= (guess if recovers is None else recovers * limit.max_drop)


@dataclass(slots=True)
class BoldestFirst:
    """Chooses along a front who is trained next: the boldest that can be hoped to keep the drop.

    How much of its drop a network recovers is guessed at first; one that did not keep it tells it for calmer ones.

    Args:
        candidates: The front.
        limit: What must be kept.
    """

    candidates: Sequence[Trial]
    limit: Limit
    _low: int = field(default=0, init=False)
    _high: int = field(default=0, init=False)
    _recovers: float | None = field(default=None, init=False)
    _kept: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._high = len(self.candidates)

    def next(self) -> Trial | None:
        """Return who is next, or None where nobody bolder can be hoped for."""
        left = self.left()
        if left or self._kept:
            return left[0] if left else None
        return self.candidates[self._high - 1] if self._low < self._high else None

    def left(self) -> list[Trial]:
        """Return those that are not ruled out, and can be hoped for."""
        between = self.candidates[self._low : self._high]
        return [one for one in between if may_recover(one, self.limit, self._recovers)]

    def tell(self, short: Trial, full: Trial) -> None:
        """Take note of what a full recovery brought: bolder ones come next, or calmer ones.

        Args:
            short: The candidate.
            full: The same after the full recovery.
        """
        place = next(at for at, one in enumerate(self.candidates) if one.number == short.number)
        kept = not full.failed and "max_drop" not in full.missed
        self._kept = self._kept or kept
        if not full.failed and short.figures["drop"] > _TELLING:
            told = short.figures["drop"] / max(full.figures["drop"], _TELLING)
            # One that kept the drop had less to recover than bolder ones, and tells nothing against them.
            self._recovers = max(told, self._recovers or _RECOVERS) if kept else told
        if kept and self.limit.max_drop is not None and self.limit.aim != "accuracy":
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
