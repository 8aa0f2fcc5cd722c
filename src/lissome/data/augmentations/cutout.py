"""Images with a square missing."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lissome.data.augmentations.regions import draw_regions, inside
from lissome.data.augmentations.sometimes import Sometimes


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutout(Sometimes):
    """Set a square of each image to 0, which is the mean colour once pre-processed. Part of it may lie outside.

    Args:
        chance: Share of the images that are changed, [0, 1].
        side: Side of the square as a share of the image's, [0, 1].

    Raises:
        SettingError: A setting is out of its range.

    Source:
        DeVries and Taylor 2017, arXiv:1708.04552.

    Example:
        >>> images, labels = torch.ones(1, 1, 8, 8), torch.tensor([0])
        >>> bool((Cutout()(images, labels, torch.Generator().manual_seed(0))[0] == 0).any())
        True
    """

    side: float = 0.5

    def __post_init__(self) -> None:
        Sometimes.__post_init__(self)
        self.require({"side": (0 <= self.side <= 1, "in [0, 1]")})

    def change(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the images with a hole each."""
        count, (height, width) = len(images), images.shape[2:]
        regions = draw_regions(torch.full((count,), self.side**2), height, width, torch.ones(count), generator)
        return images.masked_fill(inside(regions, height, width), 0), labels
