"""What every calibrator has in common."""

from abc import ABC, abstractmethod
from typing import ClassVar

from lissome.compression.quantization.ranges import Range


class Calibrator(ABC):
    """Chooses the range of an activation from what was seen of it."""

    __slots__ = ()

    counting: ClassVar[bool] = True
    """Whether it looks at the histogram."""

    @abstractmethod
    def choose(self, seen: Range, levels: int = 256) -> tuple[float, float]:
        """Return the least and greatest value that shall be represented.

        Args:
            seen: What was seen.
            levels: How many values the integers can take.
        """
