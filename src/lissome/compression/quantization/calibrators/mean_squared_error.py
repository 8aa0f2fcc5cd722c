"""The range that rounds with the least squared error."""

from dataclasses import dataclass

import numpy as np

from lissome.compression.quantization.calibrators.calibrator import Calibrator
from lissome.compression.quantization.calibrators.clipping import TRIED, shrunk_ranges, squared_errors
from lissome.compression.quantization.ranges import Range


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanSquaredError(Calibrator):
    """The range with the least mean squared error of rounding and clipping together.

    Both ends are first cut together, then each by itself.

    Source:
        Choukroun et al. 2019, arXiv:1902.06822, section 3; Nagel et al. 2021, arXiv:2106.08295, section 3.1.

    Example:
        >>> import torch
        >>> seen = Range()
        >>> seen.update(torch.cat([torch.linspace(0, 1, 9999), torch.tensor([9.0])]))
        >>> 0.9 < MeanSquaredError().choose(seen, levels=16)[1] < 9
        True
    """

    def choose(self, seen: Range, levels: int = 256) -> tuple[float, float]:
        """Return the ends found."""
        lows, highs = shrunk_ranges(seen)
        best = int(squared_errors(seen, lows, highs, levels).argmin())
        low, high = float(lows[best]), float(highs[best])
        if low < 0 < high:
            high = float(highs[squared_errors(seen, np.full(TRIED, low), highs, levels).argmin()])
            low = float(lows[squared_errors(seen, lows, np.full(TRIED, high), levels).argmin()])
        return low, high
