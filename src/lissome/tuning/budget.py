"""What a build may cost: accuracy, time, and the size of the file."""

import math
from dataclasses import dataclass
from typing import Literal

from lissome.core.errors import SettingError
from lissome.exporting.parity import ROUNDED, Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a build may cost.

    Args:
        max_drop: Largest loss of the metric on validation images by lower precision, as a share in [0, 1); asked where
            there is a task.
        images: At most so many validation images, ≥ 1.
        limits: What outputs of lower precision may differ by, where there is no task.
        seconds: Time for the measurement, > 0.
        keep: Keep the files of the fastest engine, or of all engines, each in its fastest way: another machine can
            then choose anew.
    """

    max_drop: float = 0.01
    images: int = 1000
    limits: Limits = ROUNDED
    seconds: float = 10.0
    keep: Literal["fastest", "all"] = "fastest"

    def __post_init__(self) -> None:
        if not 0 <= self.max_drop < 1:
            raise SettingError(f"max_drop is {self.max_drop}", where="Budget", fix="choose a share in [0, 1)")
        if self.images < 1 or not 0 < self.seconds < math.inf:
            raise SettingError(
                f"images is {self.images}, seconds {self.seconds}", where="Budget", fix="choose both above 0"
            )
        if self.keep not in ("fastest", "all"):
            raise SettingError(f"keep is {self.keep!r}", where="Budget", fix="choose fastest or all")
