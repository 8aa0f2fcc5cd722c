"""Noisy images."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lissome.data.augmentations.sometimes import Sometimes, draw


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise(Sometimes):
    """Add Gaussian noise to the pixels of each image, of a deviation drawn from [0, strength].

    Args:
        chance: Share of the images that are changed, [0, 1].
        strength: The largest deviation, [0, 1], where the whole range of pixels is 1.

    Raises:
        SettingError: A setting is out of its range.

    Source:
        Bishop 1995, "Training with Noise is Equivalent to Tikhonov Regularization", Neural Computation 7(1).

    Example:
        >>> grey = torch.full((1, 1, 2, 2), 0.5)
        >>> Noise(strength=0)(grey, torch.zeros(1), torch.Generator())[0].flatten().tolist()
        [0.5, 0.5, 0.5, 0.5]
    """

    strength: float = 0.1
    on_pixels: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Sometimes.__post_init__(self)
        self.require({"strength": (0 <= self.strength <= 1, "in [0, 1]")})

    def change(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return noisy images."""
        deviations = draw(len(images), 0, self.strength, generator)
        return (images + deviations * torch.randn(images.shape, generator=generator)).clamp(0, 1), labels
