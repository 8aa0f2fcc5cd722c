"""ENet (Paszke et al. 2016, arXiv:1606.02147): a class for every pixel, in real time on an embedded board.

Idea: shrink the image at once (a strided convolution beside a pooling), spend the work at 1/8 of the resolution, get
receptive field from dilation and from 5x1 · 1x5 pairs instead of pooling, and keep the decoder tiny: it only has to
upsample, where each maximum goes back to the pixel it came from.

Cost of a bottleneck with c channels, m = c / 4 inside: H·W·(2·c·m + 9·m²) MACs, (2·c·m + 10·m²) for the 5x1 · 1x5 pair,
that is 1.06·c² and 1.13·c² instead of 9·c² of a full 3x3. Dilation is free of MACs.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.layers.initialization import initialize

# Table 1 of the paper, bottlenecks 2.1 to 2.8, repeated as 3.1 to 3.8: dilation of the 3x3; 0 is the 5x1 · 1x5 pair.
SECTION = (1, 2, 0, 4, 1, 8, 0, 16)


class InitialBlock(nn.Module):
    """A strided 3x3 convolution beside a pooling of the image itself.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the output, above `in_channels`.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, H / 2, W / 2).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels - in_channels, 3, 2, 1, bias=False)
        self.pool = nn.MaxPool2d(2)
        self.norm = nn.BatchNorm2d(out_channels)
        self.activation = nn.PReLU(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return both, normalised and activated."""
        y: Tensor = self.activation(self.norm(torch.cat([self.conv(x), self.pool(x)], 1)))
        return y


def _unit(out_channels: int, activation: nn.Module, *convolutions: nn.Module) -> list[nn.Module]:
    return [*convolutions, nn.BatchNorm2d(out_channels), activation]


def _spatial(channels: int, dilation: int) -> list[nn.Module]:
    if dilation:
        return [nn.Conv2d(channels, channels, 3, 1, dilation, dilation, bias=False)]
    return [
        nn.Conv2d(channels, channels, (5, 1), 1, (2, 0), bias=False),
        nn.Conv2d(channels, channels, (1, 5), 1, (0, 2), bias=False),
    ]


class Bottleneck(nn.Module):
    """1x1, a spatial convolution, 1x1, added to the input.

    Args:
        channels: Channels of input and output, a multiple of 4.
        dilation: Dilation of the 3x3; 0 takes the 5x1 · 1x5 pair instead.
        dropout: Share of channels dropped at the end of the branch in training, [0, 1).
        slopes: Learn the slope of each activation (PReLU), as the encoder does; the decoder has plain ReLU.

    Shape:
        (N, channels, H, W) to the same.
    """

    def __init__(self, channels: int, *, dilation: int = 1, dropout: float = 0.1, slopes: bool = True) -> None:
        super().__init__()
        middle = channels // 4
        self.branch = nn.Sequential(
            *_unit(middle, _activation(middle, slopes=slopes), nn.Conv2d(channels, middle, 1, bias=False)),
            *_unit(middle, _activation(middle, slopes=slopes), *_spatial(middle, dilation)),
            nn.Conv2d(middle, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.Dropout2d(dropout),
        )
        self.activation = _activation(channels, slopes=slopes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated sum of input and branch."""
        y: Tensor = self.activation(x + self.branch(x))
        return y


def _activation(channels: int, *, slopes: bool) -> nn.Module:
    return nn.PReLU(channels) if slopes else nn.ReLU()


class DownBottleneck(nn.Module):
    """Halve the resolution: strided branch beside a pooling whose channels are filled up with zeros.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output, above `in_channels`.
        dropout: Share of channels dropped at the end of the branch in training, [0, 1).

    Shape:
        (N, in_channels, H, W) to (N, out_channels, H / 2, W / 2) and a mask (N, in_channels, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int, *, dropout: float) -> None:
        super().__init__()
        middle = in_channels // 4
        self.branch = nn.Sequential(
            *_unit(middle, nn.PReLU(middle), nn.Conv2d(in_channels, middle, 2, 2, bias=False)),
            *_unit(middle, nn.PReLU(middle), *_spatial(middle, 1)),
            nn.Conv2d(middle, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.Dropout2d(dropout),
        )
        self.pool = nn.MaxPool2d(2)
        self.activation = nn.PReLU(out_channels)
        self.added = out_channels - in_channels

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the smaller features, and 1 where each maximum was, 0 elsewhere."""
        pooled = self.pool(x)
        # Every pixel but the maximum is below it; ceil makes any difference a whole 1. Engines without an unpooling
        # layer run this as well; it differs from indices only in that all of several equal maxima are kept.
        below = functional.interpolate(pooled, scale_factor=2.0, mode="nearest") - x
        mask = 1 - torch.ceil(torch.clamp(below, 0, 1))
        padded = functional.pad(pooled, (0, 0, 0, 0, 0, self.added))
        return self.activation(padded + self.branch(x)), mask


class UpBottleneck(nn.Module):
    """Double the resolution: transposed convolution beside an unpooling to the remembered pixels.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output, those of the mask.
        dropout: Share of channels dropped at the end of the branch in training, [0, 1).

    Shape:
        (N, in_channels, H, W) and a mask (N, out_channels, 2H, 2W) to (N, out_channels, 2H, 2W).
    """

    def __init__(self, in_channels: int, out_channels: int, *, dropout: float) -> None:
        super().__init__()
        middle = in_channels // 4
        self.main = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))
        self.branch = nn.Sequential(
            *_unit(middle, nn.ReLU(), nn.Conv2d(in_channels, middle, 1, bias=False)),
            *_unit(middle, nn.ReLU(), nn.ConvTranspose2d(middle, middle, 3, 2, 1, 1, bias=False)),
            nn.Conv2d(middle, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.Dropout2d(dropout),
        )
        self.activation = nn.ReLU()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return the larger features."""
        unpooled = functional.interpolate(self.main(x), scale_factor=2.0, mode="nearest") * mask
        y: Tensor = self.activation(unpooled + self.branch(x))
        return y


class ENet(nn.Module):
    """ENet; the paper counts 0.37 M parameters.

    Args:
        classes: Number of classes of a pixel; the paper's Cityscapes has 19.
        input_channels: Channels of the image.

    Shape:
        (N, input_channels, H, W) to (N, classes, H, W); H and W are multiples of 8.

    Example:
        >>> sum(p.numel() for p in ENet().parameters())
        359914
    """

    def __init__(self, *, classes: int = 19, input_channels: int = 3) -> None:
        super().__init__()
        self.initial = InitialBlock(input_channels, 16)
        self.down1 = DownBottleneck(16, 64, dropout=0.01)
        self.section1 = nn.Sequential(*(Bottleneck(64, dropout=0.01) for _ in range(4)))
        self.down2 = DownBottleneck(64, 128, dropout=0.1)
        self.section2 = nn.Sequential(*(Bottleneck(128, dilation=dilation) for dilation in SECTION))
        self.section3 = nn.Sequential(*(Bottleneck(128, dilation=dilation) for dilation in SECTION))
        self.up4 = UpBottleneck(128, 64, dropout=0.1)
        self.section4 = nn.Sequential(*(Bottleneck(64, slopes=False) for _ in range(2)))
        self.up5 = UpBottleneck(64, 16, dropout=0.1)
        self.section5 = nn.Sequential(Bottleneck(16, slopes=False))
        self.classifier = nn.ConvTranspose2d(16, classes, 2, 2)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of every pixel."""
        half, mask1 = self.down1(self.initial(x))
        quarter, mask2 = self.down2(self.section1(half))
        deep = self.section3(self.section2(quarter))
        wide = self.section5(self.up5(self.section4(self.up4(deep, mask2)), mask1))
        logits: Tensor = self.classifier(wide)
        return logits
