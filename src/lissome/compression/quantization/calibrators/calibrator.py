"""What every calibrator has in common."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import fx

from lissome.compression.quantization.observe import Observed, observe
from lissome.compression.quantization.ranges import Range
from lissome.core.context import Context


class Calibrator(ABC):
    """Chooses the range of an activation from what was seen of it."""

    __slots__ = ()

    counting: ClassVar[bool] = True
    """Whether it looks at the histogram."""

    reads_images: ClassVar[bool] = True
    """Whether it needs any images."""

    def observed(self, graph: fx.GraphModule, context: Context, images: int) -> Observed:
        """Return what each rounded result of a folded graph is on training images.

        Args:
            graph: The folded network, traced; its nodes are marked by whether they give tensors.
            context: Has the task.
            images: How many, at most.
        """
        return observe(graph, context, images, counting=self.counting)

    @abstractmethod
    def choose(self, seen: Range, levels: int = 256) -> tuple[float, float]:
        """Return the least and greatest value that shall be represented.

        Args:
            seen: What was seen.
            levels: How many values the integers can take.
        """
