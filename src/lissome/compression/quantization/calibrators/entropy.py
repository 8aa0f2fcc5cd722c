"""The range that loses the least information."""

from dataclasses import dataclass

import numpy as np

from lissome.compression.quantization.calibrators.calibrator import Calibrator
from lissome.compression.quantization.calibrators.clipping import shrunk_ranges
from lissome.compression.quantization.ranges import Counts, Range

_LEAST_BINS_A_LEVEL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Entropy(Calibrator):
    """The range whose rounded histogram diverges least (Kullback-Leibler) from what was seen.

    Source:
        Migacz 2017, 8-bit Inference with TensorRT, GTC talk S7310, slides 26 to 38.

    Example:
        >>> import torch
        >>> seen = Range()
        >>> seen.update(torch.cat([torch.linspace(-2, 2, 50_000).pow(3), torch.ones(1) * 40]))
        >>> Entropy().choose(seen)[1] < 20
        True
    """

    def choose(self, seen: Range, levels: int = 256) -> tuple[float, float]:
        """Return the ends found."""
        counts = seen.counts.copy()
        zero = -_first(seen)
        if 0 <= zero < len(counts):
            counts[zero] = 0.0  # zeros are exact in every range; rectified results have so many that they would decide
        total = counts.sum()
        best, ends = np.inf, (min(seen.low, 0.0), max(seen.high, 0.0))
        for low, high in zip(*shrunk_ranges(seen), strict=True) if total > 0 else ():
            if (high - low) / seen.width < _LEAST_BINS_A_LEVEL * levels and np.isfinite(best):
                break
            divergence = _divergence(seen, counts, low, high, levels) / max(total, 1.0)
            if divergence < best:
                best, ends = divergence, (float(low), float(high))
        return ends


def _divergence(seen: Range, counts: Counts, low: float, high: float, levels: int) -> float:
    """Return the divergence of the rounded histogram from the clipped one, times the number of values."""
    inside = np.clip(np.floor(np.array([low, high]) / seen.width).astype(int) - _first(seen), 0, len(counts) - 1)
    start, stop = int(inside[0]), int(inside[1]) + 1
    kept = counts[start:stop]
    reference = kept.copy()
    reference[0] += counts[:start].sum()
    reference[-1] += counts[stop:].sum()
    places = (np.arange(len(kept)) * levels // max(len(kept), 1)).clip(0, levels - 1)
    filled = kept > 0
    sums = np.bincount(places, kept, levels)
    spread = np.bincount(places, filled, levels)
    rounded: Counts = np.where(filled, (sums / np.maximum(spread, 1))[places], 0.0)
    # Values that were clipped lie where the rounded histogram knows of none: a little is put everywhere.
    rounded = (rounded + 1e-6 * reference.sum() / len(kept)) * (reference.sum() / max(rounded.sum(), 1e-12))
    positive = reference > 0
    return float((reference[positive] * np.log(reference[positive] / rounded[positive])).sum())


def _first(seen: Range) -> int:
    return round(float(seen.centres[0]) / seen.width - 0.5)
