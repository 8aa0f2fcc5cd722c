"""Who keeps the curves of a training: figures of each epoch, beside the receipt that has them at the end."""

from collections.abc import Mapping
from typing import Protocol, Self


class Curves(Protocol):
    """Somebody who keeps the figures of each epoch; `TensorBoard` is one."""

    def within(self, part: str) -> Self:
        """Return who keeps those of a part of the work under that part's name."""

    def add(self, figures: Mapping[str, float], epoch: int) -> None:
        """Keep the figures of an epoch; 0 is what was before the first."""
