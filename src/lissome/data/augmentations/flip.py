"""Mirrored images."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lissome.data.augmentations.objects import has_objects
from lissome.data.augmentations.sometimes import Sometimes


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip(Sometimes):
    """Mirror images left to right, and their boxes; not one pixel changes its value.

    Args:
        chance: Share of the images that are mirrored, [0, 1].

    Raises:
        SettingError: The chance is out of its range.

    Source:
        Krizhevsky et al. 2012, "ImageNet Classification with Deep CNNs", Section 4.1.

    Example:
        >>> images, labels = torch.rand(1, 1, 4, 6), torch.tensor([[[3.0, 0, 1, 2, 4]]])
        >>> Flip(chance=1)(images, labels, torch.Generator())[1].tolist()
        [[[3.0, 4.0, 1.0, 6.0, 4.0]]]
    """

    chance: float = 0.5

    def change(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the mirrored images."""
        del generator
        if not has_objects(labels):
            return images.flip(3), labels
        kind, x1, y1, x2, y2 = labels.unbind(-1)
        width = images.shape[3]
        mirrored = torch.stack([kind, width - x2, y1, width - x1, y2], -1)
        return images.flip(3), torch.where(labels[..., :1] >= 0, mirrored, labels)
