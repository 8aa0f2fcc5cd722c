"""Parts of images, stretched to the whole."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lissome.data.augmentations.sometimes import Sometimes, draw
from lissome.data.augmentations.warping import matrices_of, warped


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop(Sometimes):
    """Cut a window out of each image and stretch it to the size of the image.

    Args:
        chance: Share of the images that are cropped, [0, 1].
        least_area: The smallest share of the area, (0, 1]; the share is drawn from there to 1.
        stretch: How much wider or higher than the image's own the window's proportions may be, ≥ 1.
        least_visible: Share of a box that must stay in the image, or the object is dropped, [0, 1].

    Raises:
        SettingError: A setting is out of its range.

    Source:
        Szegedy et al. 2014, arXiv:1409.4842, Section 6.

    Example:
        >>> images, labels = torch.rand(2, 3, 8, 8), torch.tensor([0, 1])
        >>> Crop()(images, labels, torch.Generator().manual_seed(0))[0].shape
        torch.Size([2, 3, 8, 8])
    """

    least_area: float = 0.5
    stretch: float = 4 / 3
    least_visible: float = 0.25

    def __post_init__(self) -> None:
        Sometimes.__post_init__(self)
        self.require(
            {
                "least_area": (0 < self.least_area <= 1, "in (0, 1]"),
                "stretch": (1 <= self.stretch < math.inf, "of at least 1"),
                "least_visible": (0 <= self.least_visible <= 1, "in [0, 1]"),
            }
        )

    def change(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the windows."""
        count, (height, width) = len(images), images.shape[2:]
        area = draw(count, self.least_area, 1, generator).flatten()
        most = math.log(self.stretch)
        aspect = draw(count, -most, most, generator).flatten().exp()
        sides = torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()], 1).clamp(max=1)
        size = sides.new_tensor([width, height])
        corner = torch.rand(count, 2, generator=generator) * (1 - sides) * size
        return warped(images, labels, matrices_of(torch.diag_embed(1 / sides), -corner / sides), self.least_visible)
