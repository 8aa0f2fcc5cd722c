"""The few statistics that timing needs: a median with its interval, and which rounds were stalls."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RESAMPLES = 1000
STALL = 3.0
"""A round in which a candidate takes this many times its own median was disturbed from outside."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A median and its 95 % confidence interval.

    Args:
        median: The estimate.
        low: Lower end.
        high: Upper end.
    """

    median: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the interval as a share of the median."""
        return (self.high - self.low) / (2 * self.median) if self.median else float("inf")

    def to_dict(self) -> dict[str, Any]:
        """Return the interval as plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.median:.3g} [{self.low:.3g}, {self.high:.3g}]"


def median_interval(values: Floats, generator: np.random.Generator) -> Interval:
    """Return the median and its 95 % interval by the percentile bootstrap.

    Args:
        values: Shape (n,), n ≥ 1.
        generator: Whence the resamples come.

    Source:
        Efron 1979, "Bootstrap methods: another look at the jackknife".

    Example:
        >>> median_interval(np.full(9, 2.0), np.random.default_rng(0))
        Interval(median=2.0, low=2.0, high=2.0)
    """
    picks = generator.integers(0, len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(np.median(values[picks], axis=1), (2.5, 97.5))
    return Interval(float(np.median(values)), float(low), float(high))


def order_interval(values: Floats) -> Interval:
    """Return the median of a few independent values and an interval that covers the true one in ≥ 95 % of cases.

    Its ends are values themselves, so nothing is assumed of how they scatter. Below six values even the least and the
    greatest do not reach 95 %; they are taken all the same.

    Args:
        values: Shape (n,), n ≥ 1.

    Source:
        Thompson 1936, "On confidence ranges for the median and other expectation distributions".

    Example:
        >>> order_interval(np.arange(9.0))
        Interval(median=4.0, low=1.0, high=7.0)
    """
    ordered = np.sort(values)
    outside = 0  # how many values at each end are left out
    while _chance_of_fewer(outside + 1, len(ordered)) <= 0.025:
        outside += 1
    return Interval(float(np.median(ordered)), float(ordered[outside]), float(ordered[-1 - outside]))


def _chance_of_fewer(count: int, throws: int) -> float:
    """Return the chance that at most `count` of so many values lie below the true median."""
    return sum(math.comb(throws, one) for one in range(count + 1)) / 2.0**throws


def stalled_rounds(times: Floats) -> npt.NDArray[np.bool_]:
    """Return which rounds were disturbed: a candidate took more than `STALL` times its own median.

    Where that would be every other round, it is how the candidates behave, and none is called disturbed.

    Shape:
        times: (rounds, candidates), seconds. Returns (rounds,).

    Example:
        >>> stalled_rounds(np.array([[1.0], [1.1], [40.0], [1.0]])).tolist()
        [False, False, True, False]
    """
    stalled: npt.NDArray[np.bool_] = np.any(times > STALL * np.median(times, axis=0), axis=1)
    return stalled if stalled.mean() < 0.5 else np.zeros_like(stalled)
