"""What a before and an after amount to: gains are called gains only where the measurement says so."""

import math
from collections.abc import Mapping
from typing import Any, Literal

from lissome.reports.elements import Tone
from lissome.reports.figures import at, names_in, number_at

Verdict = Literal["faster", "slower", "not faster"]
SIDES = ("original", "compressed")


def engines_of(comparison: Mapping[str, Any]) -> list[str]:
    """Return the engines that anything was measured on; torch is the source they are held to, not one of them.

    Example:
        >>> engines_of({"speedup": {"ncnn": {}}, "original": {"accuracy": {"torch": 0.9, "onnxruntime": 0.9}}})
        ['ncnn', 'onnxruntime']
    """
    per_engine = ("latency_ms", "engine_file_kib", "accuracy")
    tables = [at(comparison, side, figure) for side in SIDES for figure in per_engine]
    return [one for one in names_in(at(comparison, "speedup"), *tables) if one != "torch"]


def both(comparison: Mapping[str, Any], *keys: str) -> tuple[float | None, float | None]:
    """Return a figure of the original and of the compressed network."""
    return (number_at(comparison, SIDES[0], *keys), number_at(comparison, SIDES[1], *keys))


def ratio_of(before: float | None, after: float | None) -> float | None:
    """Return how many times smaller it became, or None where that makes no sense."""
    return before / after if before and after else None


def speed_verdict(entry: Any) -> Verdict | None:
    """Say whether a speed-up is one: its whole interval must lie above 1.

    Example:
        >>> speed_verdict({"ratio": 1.02, "low": 0.99, "high": 1.05}), speed_verdict({"ratio": 0.9})
        ('not faster', 'slower')
    """
    ratio = number_at(entry, "ratio")
    if ratio is None:
        return None
    low, high = number_at(entry, "low"), number_at(entry, "high")
    if min(ratio, ratio if low is None else low) > 1 and round(ratio, 2) > 1:
        return "faster"
    return "slower" if max(ratio, ratio if high is None else high) < 1 else "not faster"


def speed_tone(verdict: Verdict | None) -> Tone:
    """Return whether a verdict is a gain or a loss."""
    return "good" if verdict == "faster" else "bad" if verdict == "slower" else ""


def accuracy_change(comparison: Mapping[str, Any], engine: str) -> float | None:
    """Return the difference in points, compressed less original."""
    before, after = both(comparison, "accuracy", engine)
    return None if before is None or after is None else 100 * (after - before)


def accuracy_tone(change: float | None) -> Tone:
    """Return whether a difference in points is a gain or a loss; one that two decimals do not show is neither."""
    if change is None or abs(change) < 0.005:
        return ""
    return "good" if change > 0 else "bad"


def standard_error(shares: tuple[float | None, ...], images: float | None) -> float | None:
    """Return the binomial standard error, in points, of a share or of the difference of two independent ones.

    Args:
        shares: One or two shares of right answers, in [0, 1].
        images: Number of images behind each.

    Source:
        Variance p (1 - p) / n of a binomial proportion; variances of independent proportions add.

    Example:
        >>> round(standard_error((0.917,), 2000), 3), round(standard_error((0.917, 0.909), 2000), 3)
        (0.617, 0.891)
    """
    known = [one for one in shares if one is not None and 0 <= one <= 1]
    if len(known) < len(shares) or not images:
        return None
    return 100 * math.sqrt(sum(one * (1 - one) for one in known) / images)
