"""A detector shaped like YOLOv5s: focus stem, C3 stages, spatial pyramid pooling, path aggregation, three heads.

Idea: three maps of the backbone (strides 8, 16, 32) are merged from the top down and from the bottom up (Liu et al.
2018, arXiv:1803.01534), so that each head sees both detail and context. It is here for its graph, which holds what
converters get wrong: slices with a step, concatenations of four, three poolings in parallel, upsampling, and a head
that ends in reshape and permute.

Cost: 7.28 M parameters; at 640x640 the multiply-adds of YOLOv5s (release 5).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.initialization import initialize
from lissome.layers.pyramid_pooling import PyramidPooling

STRIDES = (8, 16, 32)
ANCHORS = 3
"""Boxes of different shape that each place of a map may hold."""


def _conv(in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1) -> ConvNormActivation:
    return ConvNormActivation(in_channels, out_channels, kernel_size, stride=stride, activation=nn.SiLU)


class Focus(nn.Module):
    """Every second row and column, in four phases side by side, and a 3x3 convolution.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the output.

    Shape:
        (N, in_channels, H, W), H and W even, to (N, out_channels, H / 2, W / 2).

    Example:
        >>> Focus(3, 8)(torch.zeros(1, 3, 8, 8)).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = _conv(4 * in_channels, out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Slice, concatenate, convolve."""
        phases = [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]]
        mixed: Tensor = self.conv(torch.cat(phases, 1))
        return mixed


class Residual(nn.Module):
    """A 1x1 and a 3x3 convolution, with the input added.

    Args:
        channels: Channels of input and output.
        shortcut: Add the input.

    Shape:
        (N, channels, H, W) to the same.
    """

    def __init__(self, channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(_conv(channels, channels), _conv(channels, channels, 3))
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        y: Tensor = self.layers(x)
        return x + y if self.shortcut else y


class C3(nn.Module):
    """A cross-stage partial stage with three 1x1 convolutions: half the channels go through blocks, half around.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output, even.
        blocks: Residual blocks.
        shortcut: Whether they add their input.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, H, W).

    Source:
        Wang et al. 2019, arXiv:1911.11929.
    """

    def __init__(self, in_channels: int, out_channels: int, blocks: int, *, shortcut: bool = True) -> None:
        super().__init__()
        half = out_channels // 2
        self.through, self.around = _conv(in_channels, half), _conv(in_channels, half)
        self.blocks = nn.Sequential(*(Residual(half, shortcut=shortcut) for _ in range(blocks)))
        self.merge = _conv(2 * half, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return both halves merged."""
        merged: Tensor = self.merge(torch.cat([self.blocks(self.through(x)), self.around(x)], 1))
        return merged


class YoloV5sLike(nn.Module):
    """The detector. It returns raw scores; turning them into boxes and suppressing doubles is the caller's.

    Args:
        classes: Classes of objects.
        width: Multiplier of the channel counts.
        input_channels: Channels of the image.

    Shape:
        (N, input_channels, H, W), H and W multiples of 32, to (N, places, 5 + classes) with
        places = 3 · H · W · (1/64 + 1/256 + 1/1024): per place and anchor x, y, width, height, objectness, classes.

    Example:
        >>> YoloV5sLike(classes=4, width=0.25)(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 252, 9])
    """

    def __init__(self, classes: int = 80, *, width: float = 1.0, input_channels: int = 3) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = (max(8, int(channels * width) // 8 * 8) for channels in (32, 64, 128, 256, 512))
        self.values = 5 + classes
        self.stem = nn.Sequential(Focus(input_channels, c1), _conv(c1, c2, 3, 2), C3(c2, c2, 1))
        self.stage3 = nn.Sequential(_conv(c2, c3, 3, 2), C3(c3, c3, 3))
        self.stage4 = nn.Sequential(_conv(c3, c4, 3, 2), C3(c4, c4, 3))
        self.stage5 = nn.Sequential(_conv(c4, c5, 3, 2), PyramidPooling(c5, c5), C3(c5, c5, 1, shortcut=False))
        self.narrow5, self.top4 = _conv(c5, c4), C3(2 * c4, c4, 1, shortcut=False)
        self.narrow4, self.top3 = _conv(c4, c3), C3(2 * c3, c3, 1, shortcut=False)
        self.down3, self.bottom4 = _conv(c3, c3, 3, 2), C3(2 * c3, c4, 1, shortcut=False)
        self.down4, self.bottom5 = _conv(c4, c4, 3, 2), C3(2 * c4, c5, 1, shortcut=False)
        self.heads = nn.ModuleList(nn.Conv2d(channels, ANCHORS * self.values, 1) for channels in (c3, c4, c5))
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the raw scores of all places."""
        third = self.stage3(self.stem(x))
        fourth = self.stage4(third)
        high5 = self.narrow5(self.stage5(fourth))
        high4 = self.narrow4(self.top4(torch.cat([functional.interpolate(high5, scale_factor=2.0), fourth], 1)))
        low3 = self.top3(torch.cat([functional.interpolate(high4, scale_factor=2.0), third], 1))
        low4 = self.bottom4(torch.cat([self.down3(low3), high4], 1))
        low5 = self.bottom5(torch.cat([self.down4(low4), high5], 1))
        maps = (low3, low4, low5)
        return torch.cat([self._places(head(one)) for head, one in zip(self.heads, maps, strict=True)], 1)

    def _places(self, scores: Tensor) -> Tensor:
        """Put the values of each anchor and place side by side."""
        batch, _, height, width = scores.shape
        split = scores.reshape(batch, ANCHORS, self.values, height * width)
        return split.permute(0, 1, 3, 2).reshape(batch, ANCHORS * height * width, self.values)
