"""What was seen of an activation while calibrating: its extremes and, if asked for, a histogram."""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

BINS = 4096
"""Most bins of a histogram; at least half of them are in use."""

_MOST_VALUES = 1 << 17

Counts = npt.NDArray[np.float64]


class Range:
    """The least and greatest value of each batch, and a histogram whose bins only ever merge in pairs.

    The width of a bin is a power of two and bins begin at multiples of it, so that widening adds neighbours up and
    moves nothing: one pass gives the histogram that two would. Of a large batch the histogram takes every k-th value,
    with k prime to the usual sides of images; the extremes are those of all values.

    Args:
        counting: Keep a histogram; extremes alone cost a fraction of the time.

    Example:
        >>> seen = Range()
        >>> seen.update(torch.tensor([-1.0, 3.0]))
        >>> seen.low, seen.high, int(seen.counts.sum())
        (-1.0, 3.0, 2)
    """

    def __init__(self, *, counting: bool = True) -> None:
        self.low, self.high = math.inf, -math.inf
        self.batches: list[tuple[float, float]] = []
        self.counts: Counts = np.zeros(0)
        self.width = 0.0
        self._counting, self._first, self._exponent = counting, 0, -140

    def update(self, values: Tensor) -> None:
        """Take in a batch of values, any shape."""
        values = values.detach().float()
        extremes = torch.aminmax(values)
        low, high = float(extremes.min), float(extremes.max)
        self.batches.append((low, high))
        self.low, self.high = min(self.low, low), max(self.high, high)
        if self._counting:
            self._widen()
            self._count(values)

    def _widen(self) -> None:
        """Merge bins until all of [low, high] has room, and make room."""
        span = max(self.high - self.low, 1e-12 * max(abs(self.low), abs(self.high)), 1e-30)
        exponent = max(self._exponent, math.ceil(math.log2(span / (BINS - 2))))
        width = 2.0**exponent
        first, last = math.floor(self.low / width), math.floor(self.high / width)
        counts = np.zeros(last - first + 1)
        if len(self.counts):
            places = (np.arange(len(self.counts)) + self._first) >> (exponent - self._exponent)
            np.add.at(counts, places - first, self.counts)
        self.counts, self._first, self._exponent, self.width = counts, first, exponent, width

    def _count(self, values: Tensor) -> None:
        every = -(-values.numel() // _MOST_VALUES)
        while math.gcd(every, 210) > 1:
            every += 1
        flat = values.reshape(-1)[::every].double().numpy()
        places = np.floor(flat / self.width).astype(np.int64) - self._first
        self.counts += every * np.bincount(places, minlength=len(self.counts))

    @property
    def centres(self) -> Counts:
        """The value in the middle of each bin, (bins,)."""
        middles: Counts = (np.arange(len(self.counts), dtype=np.float64) + self._first + 0.5) * self.width
        return middles

    def quantile(self, fraction: float) -> float:
        """Return the value below which a fraction of all values lies, to one bin.

        Args:
            fraction: In [0, 1].
        """
        reached = int(np.searchsorted(self.counts.cumsum(), fraction * self.counts.sum()))
        end = (min(reached, len(self.counts) - 1) + self._first + 1) * self.width
        return float(min(max(end, self.low), self.high))
