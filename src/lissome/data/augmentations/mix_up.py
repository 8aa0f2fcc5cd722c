"""Mixtures of two images."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lissome.data.augmentations.objects import has_objects, require_mixable, together
from lissome.data.augmentations.shares import draw_beta
from lissome.data.augmentations.sometimes import Sometimes


@dataclass(frozen=True, slots=True, kw_only=True)
class MixUp(Sometimes):
    """Lay another image of the batch over each: ``l · x + (1 - l) · x'``, labels likewise, l from a beta distribution.

    Objects of both images stay, each with its whole box.

    Args:
        chance: Share of the images that are mixed, [0, 1].
        concentration: Both parameters of the beta distribution, ≥ 0: 1 is even, less is nearer to one of the two, 0
            leaves the images as they are.

    Raises:
        SettingError: A setting is out of its range, or labels are class numbers.

    Source:
        Zhang et al. 2017, arXiv:1710.09412, Equation 1; for objects Zhang et al. 2019, arXiv:1902.04103, Section 3.1.

    Example:
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.eye(4)
        >>> MixUp()(images, labels, torch.Generator().manual_seed(0))[1].sum(1).tolist()
        [1.0, 1.0, 1.0, 1.0]
    """

    concentration: float = 1.0
    mixes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Sometimes.__post_init__(self)
        self.require({"concentration": (self.concentration >= 0, "of at least 0")})

    def change(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the mixtures."""
        require_mixable(labels, "MixUp")
        share = draw_beta(len(images), self.concentration, generator)
        order = torch.randperm(len(images), generator=generator)
        mixed = images + (1 - share)[:, None, None, None] * (images[order] - images)
        if has_objects(labels):
            own = (share < 1)[:, None, None]
            return mixed, together(labels, torch.where(own, labels[order], torch.full_like(labels, -1.0)))
        return mixed, labels + (1 - share)[:, None] * (labels[order] - labels)
