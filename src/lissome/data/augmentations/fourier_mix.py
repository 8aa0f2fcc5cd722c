"""Images in the colours and textures of others."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lissome.data.augmentations.sometimes import Sometimes, draw


@dataclass(frozen=True, slots=True, kw_only=True)
class FourierMix(Sometimes):
    """Mix the amplitudes of each image's low frequencies with those of another image of the batch; phases stay.

    Amplitudes hold light, colours and textures, phases hold shapes: the label stays. It stands where YOLOv4 mentions
    mixing styles by a generative network, which needs such a network and hours; this is not the same and does not claim
    to be.

    Args:
        chance: Share of the images that are changed, [0, 1].
        strength: The largest share of the other's amplitude, [0, 1]; the share is drawn from 0 to that.
        band: Frequencies up to this many cycles a pixel are mixed, [0, 0.5]; 0.5 is all of them.

    Raises:
        SettingError: A setting is out of its range.

    Source:
        Yang and Soatto 2020 (FDA), arXiv:2004.05498, Equation 3, where the share is 1; Xu et al. 2021,
        arXiv:2105.14290, Equation 5, for the mixture.

    Example:
        >>> images, labels = torch.rand(2, 3, 8, 8), torch.tensor([0, 1])
        >>> FourierMix()(images, labels, torch.Generator().manual_seed(0))[0].shape
        torch.Size([2, 3, 8, 8])
    """

    chance: float = 0.5
    strength: float = 1.0
    band: float = 0.1
    on_pixels: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Sometimes.__post_init__(self)
        self.require(
            {"strength": (0 <= self.strength <= 1, "in [0, 1]"), "band": (0 <= self.band <= 0.5, "in [0, 0.5]")}
        )

    def change(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the images with mixed amplitudes."""
        count, (height, width) = len(images), images.shape[2:]
        share = draw(count, 0, self.strength, generator)
        order = torch.randperm(count, generator=generator)
        spectrum = torch.fft.rfft2(images)
        size = spectrum.abs()
        down, across = torch.fft.fftfreq(height).abs(), torch.fft.rfftfreq(width)
        is_low = (down[:, None] <= self.band) & (across[None, :] <= self.band)
        wanted = size + share * is_low * (size[order] - size)
        # Where there is nothing there is no phase either.
        factor = torch.where(size > 0, wanted / size.clamp(min=1e-12), torch.ones_like(size))
        return torch.fft.irfft2(spectrum * factor, s=(height, width)).clamp(0, 1), labels
