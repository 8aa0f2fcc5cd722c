"""Images drawn larger and smaller."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lissome.data.augmentations.sometimes import Sometimes, draw
from lissome.data.augmentations.warping import about_centre, warped


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale(Sometimes):
    """Draw each image larger or smaller about its centre, by a factor in [1 / (1 + strength), 1 + strength].

    Args:
        chance: Share of the images that are changed, [0, 1].
        strength: The largest enlargement, ≥ 0; both directions are equally likely.
        least_visible: Share of a box that must stay in the image, or the object is dropped, [0, 1].

    Raises:
        SettingError: A setting is out of its range.

    Source:
        Simonyan and Zisserman 2014, arXiv:1409.1556, Section 3.1 ("scale jittering").

    Example:
        >>> images, labels = torch.rand(2, 3, 8, 8), torch.tensor([0, 1])
        >>> Scale()(images, labels, torch.Generator().manual_seed(0))[0].shape
        torch.Size([2, 3, 8, 8])
    """

    strength: float = 0.3
    least_visible: float = 0.25

    def __post_init__(self) -> None:
        Sometimes.__post_init__(self)
        self.require(
            {
                "strength": (0 <= self.strength < math.inf, "of at least 0"),
                "least_visible": (0 <= self.least_visible <= 1, "in [0, 1]"),
            }
        )

    def change(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the images at another scale."""
        largest = math.log1p(self.strength)
        factors = draw(len(images), -largest, largest, generator).exp().reshape(-1, 1, 1)
        height, width = images.shape[2:]
        return warped(images, labels, about_centre(factors * torch.eye(2), height, width), self.least_visible)
