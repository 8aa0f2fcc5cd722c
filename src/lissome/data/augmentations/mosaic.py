"""Four images in one."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lissome.data.augmentations.objects import has_objects, moved, require_mixable, together
from lissome.data.augmentations.regions import areas_of, inside
from lissome.data.augmentations.sometimes import Sometimes
from lissome.data.augmentations.warping import matrices_of, warp


@dataclass(frozen=True, slots=True, kw_only=True)
class Mosaic(Sometimes):
    """Put four images around a point, each with the corner that is nearest to it; the image itself is upper left.

    What they leave free is 0, the mean colour once pre-processed. Objects come with their image and are cut at its
    part; classes are mixed by the area that is seen.

    Args:
        chance: Share of the images that become a mosaic, [0, 1].
        centre: How far the point may be from the middle, as a share of the side, [0, 0.5).
        smallest: The smallest scale that an image is drawn at, (0, 1]; it is drawn from there to 1.
        least_visible: Share of a box that must be seen, or the object is dropped, [0, 1].

    Raises:
        SettingError: A setting is out of its range, or labels are class numbers.

    Source:
        Bochkovskiy et al. 2020, arXiv:2004.10934, Section 3.3 and Figure 3.

    Example:
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.eye(4)
        >>> mixed, shares = Mosaic()(images, labels, torch.Generator().manual_seed(0))
        >>> mixed.shape, torch.allclose(shares.sum(1), torch.ones(4))
        (torch.Size([4, 3, 8, 8]), True)
    """

    chance: float = 0.5
    centre: float = 0.25
    smallest: float = 0.5
    least_visible: float = 0.25
    mixes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Sometimes.__post_init__(self)
        self.require(
            {
                "centre": (0 <= self.centre < 0.5, "in [0, 0.5)"),
                "smallest": (0 < self.smallest <= 1, "in (0, 1]"),
                "least_visible": (0 <= self.least_visible <= 1, "in [0, 1]"),
            }
        )

    def change(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the mosaics."""
        require_mixable(labels, "Mosaic")
        count, (height, width) = len(images), images.shape[2:]
        size = torch.tensor([float(width), float(height)])
        point = (0.5 + self.centre * (2 * torch.rand(count, 2, generator=generator) - 1)) * size
        point = point.round()
        picture = torch.zeros_like(images)
        parts: list[Tensor] = []
        seen: list[Tensor] = []
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
            order = torch.randperm(count, generator=generator) if row or column else torch.arange(count)
            scale = self.smallest + (1 - self.smallest) * torch.rand(count, 1, generator=generator)
            corner = torch.tensor([float(column), float(row)])
            # The part reaches from the point away to where the image ends, or the picture does.
            low = torch.where(corner > 0, point, (point - scale * size).clamp(min=0))
            high = torch.where(corner > 0, torch.minimum(point + scale * size, size), point)
            regions = torch.cat([low, high], 1)
            shift = torch.where(corner > 0, point, point - scale * size)
            matrices = matrices_of(torch.diag_embed(scale.expand(count, 2)), shift)
            picture = torch.where(inside(regions, height, width), warp(images[order], matrices), picture)
            if has_objects(labels):
                parts.append(moved(labels[order], matrices, regions, self.least_visible))
            else:
                parts.append(labels[order])
            seen.append(areas_of(regions))
        if has_objects(labels):
            return picture, together(*parts)
        weights = torch.stack(seen) / torch.stack(seen).sum(0)
        return picture, (weights[:, :, None] * torch.stack(parts)).sum(0)
