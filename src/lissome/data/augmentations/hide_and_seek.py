"""Images with some squares of a grid hidden."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lissome.data.augmentations.sometimes import Sometimes


@dataclass(frozen=True, slots=True, kw_only=True)
class HideAndSeek(Sometimes):
    """Divide each image into a grid and set some of its squares to 0, the mean colour once pre-processed.

    Args:
        chance: Share of the images that are changed, [0, 1].
        grid: Squares in a row and in a column, ≥ 1.
        hidden: Share of the squares that are hidden, [0, 1].

    Raises:
        SettingError: A setting is out of its range.

    Source:
        Singh and Lee 2017, arXiv:1704.04232, Section 3.1.

    Example:
        >>> images, labels = torch.ones(1, 1, 8, 8), torch.tensor([0])
        >>> hidden, _ = HideAndSeek(grid=2)(images, labels, torch.Generator().manual_seed(0))
        >>> int(hidden.sum()) % 16
        0
    """

    grid: int = 4
    hidden: float = 0.25

    def __post_init__(self) -> None:
        Sometimes.__post_init__(self)
        self.require(
            {"grid": (self.grid >= 1, "of at least 1"), "hidden": (0 <= self.hidden <= 1, "in [0, 1]")},
        )

    def change(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the images with squares hidden."""
        squares = torch.rand(len(images), 1, self.grid, self.grid, generator=generator) >= self.hidden
        return images * functional.interpolate(squares.float(), images.shape[2:], mode="nearest"), labels
