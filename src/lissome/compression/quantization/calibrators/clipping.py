"""Ranges to try, for calibrators that search."""

import numpy as np
import numpy.typing as npt

from lissome.compression.quantization.ranges import Range

TRIED = 96
_LEAST = 0.05

Ends = npt.NDArray[np.float64]


def shrunk_ranges(seen: Range, count: int = TRIED) -> tuple[Ends, Ends]:
    """Return what was seen, 0 included, cut off ever nearer to 0 in even steps, the widest first.

    Returns:
        The low ends and the high ends, (count,) each.
    """
    low, high = min(seen.low, 0.0), max(seen.high, 0.0)
    cuts = np.linspace(1.0, _LEAST, count) * max(-low, high)
    return np.maximum(low, -cuts), np.minimum(high, cuts)


def squared_errors(seen: Range, low: Ends, high: Ends, levels: int) -> Ends:
    """Return the sum of squared errors of rounding what was seen to even steps between each pair of ends.

    Shape:
        low, high: (n,). Returns (n,).
    """
    scale = np.maximum((high - low) / (levels - 1), 1e-12)[:, None]
    zero = np.rint(-low[:, None] / scale)
    centres, counts = seen.centres[None], seen.counts
    used = counts > 0
    centres, counts = centres[:, used], counts[used]
    rounded = (np.clip(np.rint(centres / scale) + zero, 0, levels - 1) - zero) * scale
    errors: Ends = ((rounded - centres) ** 2) @ counts
    return errors
