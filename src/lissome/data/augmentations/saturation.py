"""Images of stronger and of paler colours."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from lissome.data.augmentations.photometric import Photometric

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in what looks equally bright (ITU-R BT.601)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation(Photometric):
    """Move the colours of each image away from grey, or towards it: ``g + (1 + a)(x - g)``, g its brightness.

    Args:
        chance: Share of the images that are changed, [0, 1].
        strength: The largest change, [0, 1]; with 1 an image may lose all colour.

    Raises:
        SettingError: A setting is out of its range, or images are not RGB.

    Source:
        Howard 2013, arXiv:1312.5402, Section 2; ITU-R BT.601 for the brightness.

    Example:
        >>> import torch
        >>> red = torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)
        >>> [round(one, 3) for one in Saturation().recoloured(red, torch.full((1, 1, 1, 1), -1.0)).flatten().tolist()]
        [0.299, 0.299, 0.299]
    """

    strength: float = 0.4
    needs_colours: ClassVar[bool] = True

    def recoloured(self, images: Tensor, amounts: Tensor) -> Tensor:
        """Return images of other saturation."""
        grey = (images * images.new_tensor(LUMA).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
        return grey + (images - grey) * (1 + amounts)
