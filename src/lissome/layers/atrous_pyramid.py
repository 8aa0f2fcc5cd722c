"""Atrous spatial pyramid pooling: 3x3 convolutions of several dilations side by side, and the mean of the whole map.

    y = M([C₁(x), C₃ʳ¹(x), C₃ʳ²(x), C₃ʳ³(x), C₁(mean x)])

A 3x3 kernel of dilation r sees (2r + 1)² pixels for the price of nine. Dilations whose reach is beyond the map see
padding alone: they cost as much and do no more than a 1x1.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.dilated_convolution import DilatedConvolution


class AtrousPyramid(nn.Module):
    """ASPP: parallel dilated convolutions with the global mean.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output and of each branch.
        dilations: Of the 3x3 convolutions.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, H, W).

    Source:
        Chen et al. 2017, arXiv:1706.05587, Section 3.3 and Figure 5.

    Example:
        >>> AtrousPyramid(8, 4, (1, 2)).eval()(torch.zeros(1, 8, 6, 6)).shape
        torch.Size([1, 4, 6, 6])
    """

    def __init__(self, in_channels: int, out_channels: int, dilations: tuple[int, ...] = (6, 12, 18)) -> None:
        super().__init__()
        self.branches = nn.ModuleList([ConvNormActivation(in_channels, out_channels, 1)])
        for dilation in dilations:
            self.branches.append(DilatedConvolution(in_channels, out_channels, dilation))
        # A normalisation of one pixel a picture has no variance to take in training with a batch of one.
        self.whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(in_channels, out_channels, 1), nn.ReLU())
        self.merge = ConvNormActivation((len(dilations) + 2) * out_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the merged branches."""
        whole = functional.interpolate(self.whole(x), size=x.shape[2:])
        merged: Tensor = self.merge(torch.cat([*(branch(x) for branch in self.branches), whole], 1))
        return merged
