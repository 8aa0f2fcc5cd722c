"""What changes of colour have in common: one amount an image, pixels that stay in [0, 1], labels that stay."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lissome.core.errors import SettingError
from lissome.data.augmentations.sometimes import Sometimes, draw


@dataclass(frozen=True, slots=True, kw_only=True)
class Photometric(Sometimes):
    """Changes colours by an amount drawn for each image; takes pixels in [0, 1].

    Args:
        chance: Share of the images that are changed, [0, 1].
        strength: The largest amount, [0, 1]; 0 changes nothing.

    Raises:
        SettingError: A setting is out of its range, or an image has no colours to change.
    """

    strength: float
    on_pixels: ClassVar[bool] = True
    needs_colours: ClassVar[bool] = False

    def __post_init__(self) -> None:
        Sometimes.__post_init__(self)
        self.require({"strength": (0 <= self.strength <= 1, "in [0, 1]")})

    def change(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the images in other colours."""
        if self.needs_colours and images.shape[1] != 3:
            raise SettingError(
                f"images have {images.shape[1]} channels", where=type(self).__name__, fix="leave it out for such images"
            )
        amounts = draw(len(images), -self.strength, self.strength, generator)
        return self.recoloured(images, amounts).clamp(0, 1), labels

    @abstractmethod
    def recoloured(self, images: Tensor, amounts: Tensor) -> Tensor:
        """Return the images changed by the amounts (N, 1, 1, 1), from -strength to strength."""
