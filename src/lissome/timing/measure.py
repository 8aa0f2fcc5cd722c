"""Time candidates against each other in one process, turn by turn, until the ratio is known.

Two programs timed one after the other differ by what the machine did meanwhile. Here each round gives every candidate
a turn, in a new random order; what disturbs a round disturbs all of them, and the ratio within the round stays true.
Not where another program wants the same processor: the system then takes it away every few milliseconds, which is as
long as a round, and the same candidate can be hit in most rounds. A turn that was hit is taken again.
"""

import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from lissome.core.errors import SettingError
from lissome.core.names import choose
from lissome.core.text_table import render
from lissome.timing.preemption import involuntary_switches
from lissome.timing.statistics import Floats, Interval, median_interval, order_interval, stalled_rounds

TIGHT = 0.01
"""An interval is tight when half its width is at most this share of the median: enough to decide on."""

_TURN_SECONDS = 2e-3  # a shorter turn would time the clock and the last candidate's cold caches
_MOST_CALLS = 1000
_MOST_ROUNDS = 2000
_FEWEST_ROUNDS = 3
_MOST_TAKES = 4
_MORE_ROUNDS = 1.25  # times as many until the interval is looked at again: looking takes time, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long one call of a candidate took, over the rounds that were not disturbed.

    Args:
        min_ms: Least.
        median_ms: Median.
        max_ms: Greatest.
        spread: Distance between the quartiles as a share of the median.
    """

    min_ms: float
    median_ms: float
    max_ms: float
    spread: float

    def to_dict(self) -> dict[str, float]:
        """Return the figures by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def latency_of(values_ms: Floats) -> Latency:
    """Return least, median, greatest and spread of some times.

    Shape:
        values_ms: (n,), n ≥ 1.

    Example:
        >>> latency_of(np.array([1.0, 2.0, 3.0])).median_ms
        2.0
    """
    low, median, high = np.percentile(values_ms, (25, 50, 75))
    return Latency(
        min_ms=float(values_ms.min()),
        median_ms=float(median),
        max_ms=float(values_ms.max()),
        spread=float((high - low) / median) if median else 0.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What was measured.

    Args:
        samples_ms: One figure a round for each candidate, of the rounds that were not disturbed.
        baseline: What the others are compared with, or None.
        stalled: How many rounds were disturbed and left out.
        seed: Seed of the order and of the intervals.
        sittings: How many of the rounds were timed in each sitting, where the candidates were opened anew; () where all
            were timed in one.
    """

    samples_ms: Mapping[str, tuple[float, ...]]
    baseline: str | None
    stalled: int
    seed: int
    sittings: tuple[int, ...] = ()

    @property
    def rounds(self) -> int:
        """How many rounds count."""
        return len(next(iter(self.samples_ms.values())))

    def latency(self, name: str) -> Latency:
        """Return least, median and greatest time of one candidate.

        Raises:
            UnknownNameError: There is no such candidate.
        """
        return latency_of(np.asarray(choose(self.samples_ms, name, "candidate")))

    def ratios(self, name: str, over: str | None = None) -> Floats:
        """Return how many times quicker a candidate was, each time that says so by itself: (rounds,) or (sittings,).

        Args:
            name: The candidate.
            over: What it is compared with; None takes the baseline.

        Raises:
            SettingError: There is nothing to compare with.
            UnknownNameError: There is no such candidate.
        """
        other = over or self.baseline
        if other is None:
            raise SettingError("there is no baseline", where="Timing.speedup", fix="give over=")
        slow = np.asarray(choose(self.samples_ms, other, "candidate"))
        ratios: Floats = slow / np.asarray(choose(self.samples_ms, name, "candidate"))
        if not self.sittings:
            return ratios
        return np.asarray([np.median(one) for one in np.split(ratios, np.cumsum(self.sittings)[:-1])])

    def speedup(self, name: str, over: str | None = None) -> Interval:
        """Return how many times quicker a candidate is, as the median of the rounds' (or sittings') own ratios.

        Args:
            name: The candidate.
            over: What it is compared with; None takes the baseline.

        Raises:
            SettingError: There is nothing to compare with.
            UnknownNameError: There is no such candidate.
        """
        ratios = self.ratios(name, over)
        return order_interval(ratios) if self.sittings else median_interval(ratios, np.random.default_rng(self.seed))

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain JSON values."""
        table: dict[str, Any] = {"rounds": self.rounds, "stalled": self.stalled, "baseline": self.baseline}
        if self.sittings:
            table["sittings"] = len(self.sittings)
        table["candidates"] = {name: self.latency(name).to_dict() for name in self.samples_ms}
        if self.baseline:
            others = [name for name in self.samples_ms if name != self.baseline]
            table["speedup"] = {name: self.speedup(name).to_dict() for name in others}
        return table

    def __str__(self) -> str:
        rows = []
        for name in self.samples_ms:
            one = self.latency(name)
            figures = [f"{value:.3f}" for value in (one.min_ms, one.median_ms, one.max_ms)]
            speedup = "" if self.baseline in (None, name) else f"{self.speedup(name)}"
            rows.append((name, *figures, f"{one.spread:.1%}", speedup))
        title = f"{self.rounds} rounds, {self.stalled} disturbed and left out"
        return render(("candidate", "min ms", "median ms", "max ms", "spread", "speed-up [95 %]"), rows, title=title)


def measure(
    candidates: Mapping[str, Callable[[], object]],
    *,
    baseline: str | None = None,
    rounds: int = 20,
    warmup: int = 3,
    seconds: float = 10.0,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Time candidates in turn until every interval is tight or the time is up.

    With a baseline the intervals are of the ratios to it, else of the medians. Looking at an interval again and again
    makes it a little too narrow; decide on differences clearly outside of it.

    Args:
        candidates: What to call, by name.
        baseline: The candidate that the others are compared with.
        rounds: Fewest rounds before a tight interval ends it, ≥ 3.
        warmup: Calls of each before anything counts, ≥ 1.
        seconds: Time for the rounds, > 0; three are run in any case.
        seed: Seed of the order of turns.
        clock: Returns seconds.

    Raises:
        SettingError: A setting is out of its range, or there are no candidates.
        UnknownNameError: The baseline is no candidate.

    Example:
        >>> timing = measure({"one": lambda: sum(range(50)), "two": lambda: sum(range(99))}, seconds=0.02)
        >>> sorted(timing.samples_ms), timing.rounds >= 2
        (['one', 'two'], True)
    """
    _check(candidates, rounds, warmup, seconds)
    if baseline is not None:
        choose(candidates, baseline, "candidate")
    generator = np.random.default_rng(seed)
    names = list(candidates)
    with garbage_collection_off():
        calls = {name: _warm(candidates[name], warmup, clock) for name in names}
        times: list[list[float]] = []
        end, look = clock() + seconds, float(rounds)
        while len(times) < _MOST_ROUNDS and (len(times) < _FEWEST_ROUNDS or clock() < end):
            row = [0.0] * len(names)
            for place in generator.permutation(len(names)):
                row[place] = _whole_turn(candidates[names[place]], calls[names[place]], clock)
            times.append(row)
            if len(times) >= look:
                if _is_tight(times, names, baseline, seed):
                    break
                look *= _MORE_ROUNDS
    return _timing(np.asarray(times), names, baseline, seed)


def _check(candidates: Mapping[str, object], rounds: int, warmup: int, seconds: float) -> None:
    if not candidates:
        raise SettingError("there are no candidates", where="measure")
    if rounds < _FEWEST_ROUNDS or warmup < 1 or not seconds > 0:
        raise SettingError(
            f"rounds is {rounds}, warmup {warmup}, seconds {seconds}",
            where="measure",
            fix=f"choose rounds ≥ {_FEWEST_ROUNDS}, warmup ≥ 1, seconds > 0",
        )


def _warm(call: Callable[[], object], warmup: int, clock: Callable[[], float]) -> int:
    """Call until warm and return how many calls make one turn."""
    taken = min(_turn(call, 1, clock) for _ in range(warmup))
    return max(1, min(_MOST_CALLS, math.ceil(_TURN_SECONDS / taken)))


def _whole_turn(call: Callable[[], object], calls: int, clock: Callable[[], float]) -> float:
    """Return the seconds of one call in a turn that no other program cut in two, if there is one among a few."""
    for _ in range(_MOST_TAKES):
        before = involuntary_switches()
        taken = _turn(call, calls, clock)
        if involuntary_switches() == before:
            break
    return taken


def _turn(call: Callable[[], object], calls: int, clock: Callable[[], float]) -> float:
    """Return the seconds of one call."""
    start = clock()
    for _ in range(calls):
        call()
    return max(clock() - start, 1e-9) / calls  # a clock too coarse must not divide by zero


def _timing(times: Floats, names: list[str], baseline: str | None, seed: int) -> Timing:
    stalled = stalled_rounds(times)
    kept = times[~stalled] * 1e3
    samples = {name: tuple(kept[:, place].tolist()) for place, name in enumerate(names)}
    return Timing(samples_ms=samples, baseline=baseline, stalled=int(stalled.sum()), seed=seed)


def _is_tight(times: list[list[float]], names: list[str], baseline: str | None, seed: int) -> bool:
    timing = _timing(np.asarray(times), names, baseline, seed)
    if baseline is not None:
        return all(timing.speedup(name).half_width <= TIGHT for name in names if name != baseline)
    generator = np.random.default_rng(seed)
    samples = (np.asarray(timing.samples_ms[name]) for name in names)
    return all(median_interval(values, generator).half_width <= TIGHT for values in samples)


@contextmanager
def garbage_collection_off() -> Iterator[None]:
    """Keep Python from collecting garbage inside of the block."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
