"""What the network that is looked for must keep, and what of it is to be best."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lissome.core.errors import SettingError

Goal = Literal["auto", "latency", "size", "accuracy"]

_POINT = 0.01
"""What a miss of the drop is measured in where the limit is smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What the network that is looked for must keep.

    Args:
        max_drop: Largest loss of the metric against the original on its engine, as a share in [0, 1); None sets none.
        max_ms: Longest time of one image on the engine, > 0; None sets none.
        max_kib: Most that the engine's files may take in the artifact, > 0; None sets none.
        goal: What is to be best within them. "auto": the accuracy where no drop is given, else the latency.

    Raises:
        SettingError: A limit is out of its range.

    Example:
        >>> Limit(max_drop=0.01, max_ms=8).missed(latency_ms=10.0, drop=0.0, stored_kib=50.0)
        {'max_ms': 0.25}
    """

    max_drop: float | None = 0.01
    max_ms: float | None = None
    max_kib: float | None = None
    goal: Goal = "auto"

    def __post_init__(self) -> None:
        if self.max_drop is not None and not 0 <= self.max_drop < 1:
            raise SettingError(f"max_drop is {self.max_drop}", where="Limit", fix="choose a share in [0, 1)")
        for name in ("max_ms", "max_kib"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise SettingError(f"{name} is {value}", where="Limit", fix="choose a value above 0")
        if self.goal not in ("auto", "latency", "size", "accuracy"):
            raise SettingError(f"goal is {self.goal!r}", where="Limit", fix="choose auto, latency, size or accuracy")

    @property
    def aim(self) -> Literal["latency", "size", "accuracy"]:
        """What is to be best, with "auto" resolved."""
        if self.goal != "auto":
            return self.goal
        return "accuracy" if self.max_drop is None else "latency"

    def missed(self, *, latency_ms: float, drop: float, stored_kib: float) -> dict[str, float]:
        """Return by how much each limit that is not kept is missed, as a share of it.

        Args:
            latency_ms: Time of one image.
            drop: Loss of the metric.
            stored_kib: What the engine's files take.
        """
        shares = {
            "max_drop": None if self.max_drop is None else (drop - self.max_drop) / max(self.max_drop, _POINT),
            "max_ms": None if self.max_ms is None else latency_ms / self.max_ms - 1,
            "max_kib": None if self.max_kib is None else stored_kib / self.max_kib - 1,
        }
        return {name: share for name, share in shares.items() if share is not None and share > 1e-9}

    def value(self, figures: Mapping[str, float]) -> float:
        """Return what is to be least: the time, the size, or the loss of the metric."""
        return figures[{"latency": "latency_ms", "size": "stored_kib", "accuracy": "drop"}[self.aim]]
