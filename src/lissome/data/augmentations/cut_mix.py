"""Images with a part of another."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lissome.data.augmentations.objects import has_objects, moved, outside, require_mixable, together
from lissome.data.augmentations.regions import areas_of, draw_regions, inside
from lissome.data.augmentations.shares import draw_beta
from lissome.data.augmentations.sometimes import Sometimes


@dataclass(frozen=True, slots=True, kw_only=True)
class CutMix(Sometimes):
    """Put a rectangle of another image of the batch in its place; labels are mixed by area.

    Objects of the rectangle come with it, cut at its border; those that it covers go.

    Args:
        chance: Share of the images that are mixed, [0, 1].
        concentration: Both parameters of the beta distribution that the area is drawn from, ≥ 0; 1 is even, 0 changes
            nothing. The rectangle never has more than half of the area.
        least_visible: Share of a box that must be seen, or the object is dropped, [0, 1].

    Raises:
        SettingError: A setting is out of its range, or labels are class numbers.

    Source:
        Yun et al. 2019, arXiv:1905.04899, Equations 1 and 2.

    Example:
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.eye(4)
        >>> CutMix()(images, labels, torch.Generator().manual_seed(0))[1].sum(1).tolist()
        [1.0, 1.0, 1.0, 1.0]
    """

    concentration: float = 1.0
    least_visible: float = 0.25
    mixes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Sometimes.__post_init__(self)
        self.require(
            {
                "concentration": (self.concentration >= 0, "of at least 0"),
                "least_visible": (0 <= self.least_visible <= 1, "in [0, 1]"),
            }
        )

    def change(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the images with a rectangle of another each."""
        require_mixable(labels, "CutMix")
        count, (height, width) = len(images), images.shape[2:]
        taken = 1 - draw_beta(count, self.concentration, generator)
        regions = draw_regions(taken, height, width, torch.ones(count), generator)
        order = torch.randperm(count, generator=generator)
        mixed = torch.where(inside(regions, height, width), images[order], images)
        if has_objects(labels):
            stay = torch.eye(3).expand(count, 3, 3)
            pasted = moved(labels[order], stay, regions, self.least_visible)
            return mixed, together(outside(labels, regions, self.least_visible), pasted)
        share = areas_of(regions)[:, None] / (height * width)
        return mixed, labels + share * (labels[order] - labels)
