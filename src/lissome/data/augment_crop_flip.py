"""Random crop of the padded image and random mirroring."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lissome.core.errors import SettingError
from lissome.data.augmentation import Augmentation


@dataclass(frozen=True, slots=True, kw_only=True)
class CropFlip(Augmentation):
    """Shift each image by up to `padding` pixels both ways, and mirror half of the images left to right.

    What comes in from outside is 0, which is the mean colour once pre-processed.

    Args:
        padding: Pixels added on each side before the crop, ≥ 0. 4 is customary for 32x32; 0 only mirrors.
        flip: Whether to mirror; off where left and right mean something, as in digits.

    Raises:
        SettingError: The padding is below 0, or labels have boxes, which it would leave where they are.

    Source:
        He et al. 2015, arXiv:1512.03385, Section 4.2.

    Example:
        >>> images, labels = torch.rand(2, 3, 8, 8), torch.tensor([0, 1])
        >>> changed, _ = CropFlip(padding=2)(images, labels, torch.Generator().manual_seed(0))
        >>> changed.shape
        torch.Size([2, 3, 8, 8])
    """

    padding: int = 4
    flip: bool = True

    def __post_init__(self) -> None:
        if self.padding < 0:
            raise SettingError(f"padding is {self.padding}", where="CropFlip", fix="choose a value of at least 0")

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the shifted and mirrored images, in channels_last layout."""
        if labels.ndim == 3:
            raise SettingError(
                "moves pixels, and leaves boxes where they are",
                where="CropFlip",
                fix="take Crop, Scale and Flip instead",
            )
        count, _, height, width = images.shape
        columns = torch.arange(width).expand(count, width)
        if self.flip:
            mirrored = torch.rand(count, 1, generator=generator) < 0.5
            columns = torch.where(mirrored, columns.flip(1), columns)
        rows = torch.arange(height).expand(count, height)
        if self.padding:
            images = functional.pad(images, (self.padding,) * 4)
            offsets = torch.randint(2 * self.padding + 1, (2, count, 1), generator=generator)
            rows, columns = rows + offsets[0], columns + offsets[1]
        # One gather of whole pixels: with the channels last, they lie side by side in memory.
        pixels = images.permute(0, 2, 3, 1)
        picked = pixels[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
        return picked.permute(0, 3, 1, 2), labels
