"""From what an activation was seen to do to the range it gets."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from lissome.core.errors import SettingError

_BINS = 4096


class Range:
    """What was seen of one activation: least, greatest, and a histogram that widens as values come in.

    Example:
        >>> seen = Range()
        >>> seen.update(torch.tensor([-1.0, 3.0]))
        >>> seen.low, seen.high
        (-1.0, 3.0)
    """

    def __init__(self) -> None:
        self.low, self.high = float("inf"), float("-inf")
        self.counts = torch.zeros(_BINS, dtype=torch.float64)

    def update(self, values: Tensor) -> None:
        """Take in a batch of values, any shape."""
        values = values.detach().float().reshape(-1)
        low, high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        if high <= low:
            high = low + 1e-8
        if self.counts.sum() > 0 and (low, high) != (self.low, self.high):
            centres = self.low + (torch.arange(_BINS, dtype=torch.float64) + 0.5) * (self.high - self.low) / _BINS
            places = ((centres - low) / (high - low) * _BINS).long().clamp(0, _BINS - 1)
            self.counts = torch.zeros(_BINS, dtype=torch.float64).index_add_(0, places, self.counts)
        self.low, self.high = low, high
        self.counts += torch.histc(values, bins=_BINS, min=low, max=high).double()

    def quantile(self, fraction: float) -> float:
        """Return the value below which a fraction of all values lies, to one bin."""
        reached = torch.searchsorted(self.counts.cumsum(0), fraction * self.counts.sum())
        return self.low + (int(reached) + 1) * (self.high - self.low) / _BINS


class Calibrator(ABC):
    """Chooses the range of an activation."""

    __slots__ = ()

    @abstractmethod
    def choose(self, seen: Range) -> tuple[float, float]:
        """Return the least and greatest value that shall be represented."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MinMax(Calibrator):
    """The least and greatest value seen: nothing is clipped, outliers cost resolution."""

    def choose(self, seen: Range) -> tuple[float, float]:
        """Return the extremes."""
        return seen.low, seen.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentile(Calibrator):
    """Clips the rarest values on both sides.

    Args:
        percent: Share of values inside the range, in (50, 100]. Default 99.99.

    Source:
        Wu et al. 2020, Integer Quantization for Deep Learning Inference, arXiv:2004.09602, section 4.

    Example:
        >>> seen = Range()
        >>> seen.update(torch.cat([torch.linspace(0, 1, 9999), torch.tensor([100.0])]))
        >>> Percentile(percent=99.9).choose(seen)[1] < 2
        True
    """

    percent: float = 99.99

    def __post_init__(self) -> None:
        if not 50 < self.percent <= 100:
            raise SettingError(f"percent is {self.percent}", where="Percentile", fix="choose a value in (50, 100]")

    def choose(self, seen: Range) -> tuple[float, float]:
        """Return the two quantiles, within the extremes."""
        share = self.percent / 100
        return seen.quantile(1 - share), min(seen.quantile(share), seen.high)
