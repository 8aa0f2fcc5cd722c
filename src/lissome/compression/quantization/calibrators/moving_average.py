"""Extremes that follow the batches."""

from dataclasses import dataclass
from typing import ClassVar

from lissome.compression.quantization.calibrators.calibrator import Calibrator
from lissome.compression.quantization.ranges import Range
from lissome.core.errors import SettingError


@dataclass(frozen=True, slots=True, kw_only=True)
class MovingAverage(Calibrator):
    """The moving average of each batch's least and greatest value, so that one odd batch does not decide.

    Args:
        momentum: Weight of what was seen before, in [0, 1). Default 0.9.

    Source:
        Jacob et al. 2018, arXiv:1712.05877, section 3.1.

    Example:
        >>> import torch
        >>> seen = Range(counting=False)
        >>> for high in (1.0, 1.0, 11.0):
        ...     seen.update(torch.tensor([0.0, high]))
        >>> MovingAverage(momentum=0.5).choose(seen)
        (0.0, 6.0)
    """

    counting: ClassVar[bool] = False

    momentum: float = 0.9

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise SettingError(f"momentum is {self.momentum}", where="MovingAverage", fix="choose a value in [0, 1)")

    def choose(self, seen: Range, levels: int = 256) -> tuple[float, float]:
        """Return the two averages, the first batch being the start."""
        del levels
        low, high = seen.batches[0]
        for one, other in seen.batches[1:]:
            low += (1 - self.momentum) * (one - low)
            high += (1 - self.momentum) * (other - high)
        return low, high
