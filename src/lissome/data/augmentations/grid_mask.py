"""Images behind a regular grid of squares."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lissome.data.augmentations.sometimes import Sometimes, draw


@dataclass(frozen=True, slots=True, kw_only=True)
class GridMask(Sometimes):
    """Set the squares of a regular grid to 0, the mean colour once pre-processed; pitch and place are drawn.

    Args:
        chance: Share of the images that are changed, [0, 1].
        hidden: Side of a square as a share of the pitch, [0, 1]; its square is the share of the area that goes.
        least_pitch: The smallest pitch as a share of the image's shorter side, (0, 1].
        largest_pitch: The largest, [least_pitch, 1].

    Raises:
        SettingError: A setting is out of its range.

    Source:
        Chen et al. 2020, arXiv:2001.04086, Section 3.

    Example:
        >>> images, labels = torch.ones(1, 1, 8, 8), torch.tensor([0])
        >>> mask = GridMask(chance=1, hidden=0.5, least_pitch=0.5, largest_pitch=0.5)
        >>> mask(images, labels, torch.Generator())[0].mean().item()
        0.75
    """

    chance: float = 0.8
    hidden: float = 0.5
    least_pitch: float = 0.25
    largest_pitch: float = 0.6

    def __post_init__(self) -> None:
        Sometimes.__post_init__(self)
        self.require(
            {
                "hidden": (0 <= self.hidden <= 1, "in [0, 1]"),
                "least_pitch": (0 < self.least_pitch <= 1, "in (0, 1]"),
                "largest_pitch": (self.least_pitch <= self.largest_pitch <= 1, "from least_pitch to 1"),
            }
        )

    def change(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the images behind a grid."""
        count, (height, width) = len(images), images.shape[2:]
        shorter = min(height, width)
        pitch = draw(count, self.least_pitch, self.largest_pitch, generator).reshape(count, 1) * shorter
        pitch = pitch.round().clamp(min=1)
        offsets = (torch.rand(2, count, 1, generator=generator) * pitch).floor()
        band = (self.hidden * pitch).round()
        across = (torch.arange(width) + offsets[0]) % pitch < band
        down = (torch.arange(height) + offsets[1]) % pitch < band
        return images.masked_fill((down[:, :, None] & across[:, None, :])[:, None], 0), labels
