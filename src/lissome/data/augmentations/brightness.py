"""Brighter and darker images."""

from dataclasses import dataclass

from torch import Tensor

from lissome.data.augmentations.photometric import Photometric


@dataclass(frozen=True, slots=True, kw_only=True)
class Brightness(Photometric):
    """Multiply the pixels of each image by ``1 + a``, a in [-strength, strength].

    Args:
        chance: Share of the images that are changed, [0, 1].
        strength: The largest change, [0, 1].

    Raises:
        SettingError: A setting is out of its range.

    Source:
        Howard 2013, arXiv:1312.5402, Section 2.

    Example:
        >>> import torch
        >>> Brightness().recoloured(torch.tensor([[[[0.5]]]]), torch.tensor([[[[0.2]]]])).item()
        0.6...
    """

    strength: float = 0.4

    def recoloured(self, images: Tensor, amounts: Tensor) -> Tensor:
        """Return brighter or darker images."""
        return images * (1 + amounts)
