"""What every augmentation is: settings, and one call that changes a whole batch."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Augmentation(ABC):
    """Changes batches of training images at random; subclasses are frozen dataclasses of settings."""

    __slots__ = ()

    @abstractmethod
    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the changed batch; all randomness comes from the generator.

        Shape:
            images: (N, C, H, W), pre-processed; kept. labels: (N, …).
        """
