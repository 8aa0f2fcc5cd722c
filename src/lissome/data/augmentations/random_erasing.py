"""Images with a rectangle of noise."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lissome.data.augmentations.regions import draw_regions, inside
from lissome.data.augmentations.sometimes import Sometimes, draw


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomErasing(Sometimes):
    """Fill a rectangle of some of the images with normal noise, which is what pre-processed pixels are like.

    Args:
        chance: Share of the images that are changed, [0, 1].
        largest: The largest share of the area, [0, 1]; the share is drawn from a twentieth of that.
        stretch: How much wider or higher than the image's own the proportions may be, ≥ 1.

    Raises:
        SettingError: A setting is out of its range.

    Source:
        Zhong et al. 2017, arXiv:1708.04896, Algorithm 1.

    Example:
        >>> images, labels = torch.ones(1, 1, 8, 8), torch.tensor([0])
        >>> erased, _ = RandomErasing(chance=1)(images, labels, torch.Generator().manual_seed(0))
        >>> bool((erased != images).any())
        True
    """

    chance: float = 0.5
    largest: float = 0.4
    stretch: float = 3.0

    def __post_init__(self) -> None:
        Sometimes.__post_init__(self)
        self.require(
            {
                "largest": (0 <= self.largest <= 1, "in [0, 1]"),
                "stretch": (1 <= self.stretch < math.inf, "of at least 1"),
            }
        )

    def change(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the images with a rectangle of noise each."""
        count, (height, width) = len(images), images.shape[2:]
        shares = draw(count, self.largest / 20, self.largest, generator).flatten()
        most = math.log(self.stretch)
        aspects = draw(count, -most, most, generator).flatten().exp()
        erased = inside(draw_regions(shares, height, width, aspects, generator), height, width)
        return torch.where(erased, torch.randn(images.shape, generator=generator), images), labels
