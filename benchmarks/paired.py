"""Rows of several seeds beside a plain row of the same seeds: mean, spread, and what the noise allows to say."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

T95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}
"""Standard errors that hold 95 % of a t distribution, by the number of pairs."""


def beside(figures: Sequence[float], plain: Sequence[float]) -> dict[str, Any]:
    """Return mean and spread, and the difference from the plain runs of the same seeds with its standard error."""
    pairs = [one - other for one, other in zip(figures, plain, strict=True)]
    return {
        "mean": statistics.mean(figures),
        "spread": statistics.stdev(figures),
        "difference": statistics.mean(pairs),
        "standard_error": statistics.stdev(pairs) / math.sqrt(len(pairs)),
        "bound": bound_of(len(pairs)),
    }


def bound_of(seeds: int) -> float:
    """Return how many standard errors a difference must be beyond to be called one."""
    return T95[min(seeds, max(T95))]


def verdict(one: dict[str, Any]) -> str:
    """Return what can be said of a row of `beside`."""
    if not abs(one["difference"]) > one["bound"] * one["standard_error"]:
        return "within noise"
    return "gain" if one["difference"] > 0 else "loss"
