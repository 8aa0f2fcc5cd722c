"""What every augmentation is: settings, and one call that changes a whole batch."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor


class Augmentation(ABC):
    """Changes batches of training images at random; subclasses are frozen dataclasses of settings.

    Args:
        on_pixels: Whether images are wanted as pixels in [0, 1] instead of pre-processed. `Train` sees to that.
        mixes: Whether labels are wanted as shares of classes (N, classes), or as objects. `Train` sees to that too.
    """

    __slots__ = ()

    on_pixels: ClassVar[bool] = False
    mixes: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the changed batch; all randomness comes from the generator.

        Shape:
            images: (N, C, H, W), pre-processed; kept. labels: (N, …): class numbers (N,), shares (N, classes), or
            objects (N, most, 5) as class, x1, y1, x2, y2 in pixels, class -1 filling up.
        """
