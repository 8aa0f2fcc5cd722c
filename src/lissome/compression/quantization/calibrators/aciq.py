"""The range that theory gives for a bell-shaped distribution."""

import math
from dataclasses import dataclass

import numpy as np

from lissome.compression.quantization.calibrators.calibrator import Calibrator
from lissome.compression.quantization.ranges import Range

_LAPLACE, _GAUSS = math.sqrt(0.5), math.sqrt(2 / math.pi)
"""Mean absolute over root mean squared deviation of the two distributions."""

_TRIED = np.linspace(0.5, 20.0, 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aciq(Calibrator):
    """Analytical clipping: the end that minimises clipping and rounding noise of a Laplace or Gauss distribution.

    Which of the two fits better is told by the mean absolute deviation over the standard deviation. Of results that
    were rectified, the positive half is taken for one side of such a distribution.

    Source:
        Banner, Nahshan and Soudry 2019, Post training 4-bit quantization, arXiv:1810.05723, section 3, equations 5
        to 10.

    Example:
        >>> import torch
        >>> seen = Range()
        >>> seen.update(torch.randn(50_000, generator=torch.Generator().manual_seed(0)))
        >>> 2.3 < Aciq().choose(seen, levels=16)[1] < 2.9
        True
    """

    def choose(self, seen: Range, levels: int = 256) -> tuple[float, float]:
        """Return mean minus and plus the clipping value, within the extremes."""
        rectified = seen.low >= 0
        counts = seen.counts * (seen.centres > seen.width) if rectified else seen.counts
        total = float(counts.sum())
        if total == 0:
            return seen.low, seen.high
        mean = 0.0 if rectified else float(counts @ seen.centres) / total
        away = np.abs(seen.centres - mean)
        deviation = max(float(counts @ away) / total, 1e-12)
        spread = max(math.sqrt(float(counts @ away**2) / total), 1e-12)
        gauss = abs(deviation / spread - _GAUSS) < abs(deviation / spread - _LAPLACE)
        unit = spread if gauss else deviation
        # One side of the distribution has all levels to itself.
        end = unit * _best_clipping(gauss=gauss, levels=levels * 2 if rectified else levels)
        return max(mean - end, seen.low), min(mean + end, seen.high)


def _best_clipping(*, gauss: bool, levels: int) -> float:
    """Return the clipping value, in standard deviations (Gauss) or mean absolute deviations (Laplace)."""
    rounding = _TRIED**2 / (3 * levels**2)
    if gauss:
        tail = np.array([1 - math.erf(one / math.sqrt(2)) for one in _TRIED])
        density = np.sqrt(2 / math.pi) * _TRIED * np.exp(-(_TRIED**2) / 2)
        clipping = (1 + _TRIED**2) * tail - density
    else:
        clipping = 2 * np.exp(-_TRIED)
    return float(_TRIED[(clipping + rounding).argmin()])
