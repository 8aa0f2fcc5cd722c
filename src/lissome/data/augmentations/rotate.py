"""Turned images."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lissome.data.augmentations.sometimes import Sometimes, draw
from lissome.data.augmentations.warping import about_centre, warped


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotate(Sometimes):
    """Turn each image about its centre by an angle drawn from both directions.

    A box becomes the upright box around the turned one, which is larger than the object: keep angles small where boxes
    are learnt.

    Args:
        chance: Share of the images that are turned, [0, 1].
        degrees: The largest angle, [0, 180].
        least_visible: Share of a box that must stay in the image, or the object is dropped, [0, 1].

    Raises:
        SettingError: A setting is out of its range.

    Source:
        Simard et al. 2003, "Best Practices for Convolutional Neural Networks", Section 2.

    Example:
        >>> images, labels = torch.rand(2, 3, 8, 8), torch.tensor([0, 1])
        >>> Rotate()(images, labels, torch.Generator().manual_seed(0))[0].shape
        torch.Size([2, 3, 8, 8])
    """

    degrees: float = 15.0
    least_visible: float = 0.25

    def __post_init__(self) -> None:
        Sometimes.__post_init__(self)
        self.require(
            {
                "degrees": (0 <= self.degrees <= 180, "in [0, 180]"),
                "least_visible": (0 <= self.least_visible <= 1, "in [0, 1]"),
            }
        )

    def change(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the turned images."""
        largest = math.radians(self.degrees)
        angles = draw(len(images), -largest, largest, generator).flatten()
        sines, cosines = angles.sin(), angles.cos()
        linear = torch.stack([torch.stack([cosines, -sines], 1), torch.stack([sines, cosines], 1)], 1)
        height, width = images.shape[2:]
        return warped(images, labels, about_centre(linear, height, width), self.least_visible)
