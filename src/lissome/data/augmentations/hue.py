"""Images of other hues."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lissome.data.augmentations.photometric import Photometric


@dataclass(frozen=True, slots=True, kw_only=True)
class Hue(Photometric):
    """Turn the colours of each image about the grey axis by ``a`` half turns.

        y = x cos t + (k x x) sin t + k (k · x)(1 - cos t)        k = (1, 1, 1) / √3,  t = π a

    Red becomes green after 2/3, blue after -2/3; greys stay. It is a rotation in RGB, which keeps the sum of the
    channels (before what leaves [0, 1] is cut); the hue circle of HSV is a hexagon around the same axis.

    Args:
        chance: Share of the images that are changed, [0, 1].
        strength: The largest turn in half turns, [0, 1].

    Raises:
        SettingError: A setting is out of its range, or images are not RGB.

    Source:
        Rodrigues' rotation formula.

    Example:
        >>> red = torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)
        >>> [abs(round(one, 4)) for one in Hue().recoloured(red, torch.full((1, 1, 1, 1), 2 / 3)).flatten().tolist()]
        [0.0, 1.0, 0.0]
    """

    strength: float = 0.1
    needs_colours: ClassVar[bool] = True

    def recoloured(self, images: Tensor, amounts: Tensor) -> Tensor:
        """Return images of other hues."""
        turn = math.pi * amounts
        red, green, blue = images.unbind(1)
        across = torch.stack([blue - green, red - blue, green - red], 1) / math.sqrt(3)
        grey = images.mean(1, keepdim=True)
        return images * turn.cos() + across * turn.sin() + grey * (1 - turn.cos())
