"""How many numbers lie where: what a receipt keeps of many scales."""

from typing import Any

import torch
from torch import Tensor

BINS = 40
NEAR_ZERO = 0.01
"""Below this a scale counts as near zero."""


def share_near_zero(magnitudes: Tensor) -> float:
    """Return the share of numbers below `NEAR_ZERO`.

    Example:
        >>> share_near_zero(torch.tensor([0.0, 0.5]))
        0.5
    """
    return float((magnitudes < NEAR_ZERO).double().mean())


def histogram(magnitudes: Tensor) -> dict[str, Any]:
    """Return counts of numbers ≥ 0 in `BINS` equal bins from 0 to the largest, as plain values.

    Example:
        >>> table = histogram(torch.tensor([0.0, 0.1, 1.0]))
        >>> len(table["edges"]), sum(table["counts"]), table["counts"][-1]
        (41, 3, 1)
    """
    highest = max(float(magnitudes.max()), NEAR_ZERO)
    counts = torch.histc(magnitudes.float(), bins=BINS, min=0.0, max=highest)
    edges = torch.linspace(0, highest, BINS + 1)
    return {
        "edges": [round(one, 6) for one in edges.tolist()],
        "counts": [int(one) for one in counts.tolist()],
    }
