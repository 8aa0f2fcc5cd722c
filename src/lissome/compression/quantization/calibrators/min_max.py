"""Nothing is clipped."""

from dataclasses import dataclass
from typing import ClassVar

from lissome.compression.quantization.calibrators.calibrator import Calibrator
from lissome.compression.quantization.ranges import Range


@dataclass(frozen=True, slots=True, kw_only=True)
class MinMax(Calibrator):
    """The least and greatest value seen: nothing is clipped, outliers cost resolution.

    Example:
        >>> import torch
        >>> seen = Range(counting=False)
        >>> seen.update(torch.tensor([-1.0, 3.0]))
        >>> MinMax().choose(seen)
        (-1.0, 3.0)
    """

    counting: ClassVar[bool] = False

    def choose(self, seen: Range, levels: int = 256) -> tuple[float, float]:
        """Return the extremes."""
        del levels
        return seen.low, seen.high
