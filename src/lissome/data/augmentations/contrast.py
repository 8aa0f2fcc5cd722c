"""Images of more and of less contrast."""

from dataclasses import dataclass

from torch import Tensor

from lissome.data.augmentations.photometric import Photometric


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast(Photometric):
    """Move the pixels of each image away from their mean, or towards it: ``m + (1 + a)(x - m)``.

    Args:
        chance: Share of the images that are changed, [0, 1].
        strength: The largest change, [0, 1]; with 1 an image may become plain grey.

    Raises:
        SettingError: A setting is out of its range.

    Source:
        Howard 2013, arXiv:1312.5402, Section 2.

    Example:
        >>> import torch
        >>> Contrast().recoloured(torch.tensor([[[[0.2, 0.6]]]]), torch.tensor([[[[-1.0]]]])).flatten().tolist()
        [0.4..., 0.4...]
    """

    strength: float = 0.4

    def recoloured(self, images: Tensor, amounts: Tensor) -> Tensor:
        """Return images of other contrast."""
        mean = images.mean((1, 2, 3), keepdim=True)
        return mean + (images - mean) * (1 + amounts)
