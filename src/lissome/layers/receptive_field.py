"""Receptive field block: branches of growing kernels, each followed by a convolution of the fitting dilation.

As in the eye, what is seen farther from the centre is seen more coarsely. A branch narrows the channels, sees k x k
pixels, and spreads them by a 3x3 convolution of dilation k. All are merged, and added to the input.
"""

import torch
from torch import Tensor, nn

from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.dilated_convolution import DilatedConvolution


class ReceptiveField(nn.Module):
    """RFB in the small form that light detectors use: kernels 1, 3 and 5 (of two 3x3), dilations 1, 3 and 5.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Of the whole block.
        reduction: By how much the branches are narrower than the input, ≥ 1.
        scale: What the merged branches are multiplied by before the sum.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉).

    Source:
        Liu et al. 2018, arXiv:1711.07767, Section 3.2 and Figure 4 (a).

    Example:
        >>> ReceptiveField(16, 24, stride=2)(torch.zeros(1, 16, 8, 8)).shape
        torch.Size([1, 24, 4, 4])
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, reduction: int = 4, scale: float = 0.1
    ) -> None:
        super().__init__()
        narrow = max(1, in_channels // reduction)
        self.branches = nn.ModuleList()
        for dilation, kernels in ((1, 0), (3, 1), (5, 2)):
            layers = [ConvNormActivation(in_channels, narrow, 1)]
            for number in range(max(1, kernels)):
                # The first 3x3 convolution takes the stride; the branch of kernel 1 strides by its own 1x1.
                side, step = (3 if kernels else 1), (stride if number == 0 else 1)
                layers.append(ConvNormActivation(narrow, narrow, side, stride=step))
            spread = DilatedConvolution(narrow, narrow, dilation, activation=None)
            self.branches.append(nn.Sequential(*layers, spread))
        self.merge = ConvNormActivation(3 * narrow, out_channels, 1, activation=None)
        self.shortcut = ConvNormActivation(in_channels, out_channels, 1, stride=stride, activation=None)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Return the scaled branches and the shortcut, added."""
        merged = self.merge(torch.cat([branch(x) for branch in self.branches], 1))
        total: Tensor = merged * self.scale + self.shortcut(x)
        return total.relu()
