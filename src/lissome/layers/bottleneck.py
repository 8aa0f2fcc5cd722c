"""Residual bottleneck: 1x1 reduces, KxK filters, 1x1 restores, and the input is added.

    y = activation(shortcut(x) + attention(R(F(Q(x)))))      Q: C to B, F: 3x3 B to B' in G groups, R: B' to C'

Cost at stride 1: H·W·(C·B + 9·B·B' / G + B'·C') MACs. With B = C/4 it is 17/16 · C² a pixel, where two 3x3
convolutions on C channels take 18 · C².
"""

from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn

from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.group_convolution import GroupConvolution


class Bottleneck(nn.Module):
    """The bottleneck of ResNet, ResNeXt and SENet.

    Args:
        in_channels: C, channels of the input.
        channels: (B, B', C'), channels after each of the three convolutions.
        stride: Stride of the block.
        strided: Which convolution takes the stride: "first", the 1x1 (the paper's, v1, cheaper, drops three
            quarters of the input's pixels unseen) or "second", the 3x3 (v1.5, more exact).
        groups: G, groups of the 3x3 convolution.
        projection: What changes the input's shape where it must: a "1x1" or "3x3" convolution with the stride, or
            "pooled": 2x2 pixels are averaged before the 1x1 instead of three quarters of them being dropped (the last
            row and column of an odd size over what there is).
        attention: A layer on the restored channels before the sum (squeeze-and-excitation), or None.

    Shape:
        (N, C, H, W) to (N, C', ⌈H / stride⌉, ⌈W / stride⌉).

    Source:
        He et al. 2015, arXiv:1512.03385, Figure 5; stride on the 3x3: Goyal et al. 2017, arXiv:1706.02677, Section 5.1;
        pooled shortcut: He et al. 2018, arXiv:1812.01187, Section 4.2 and Figure 2 (c).

    Example:
        >>> import torch
        >>> Bottleneck(64, (32, 32, 128), stride=2)(torch.zeros(1, 64, 8, 8)).shape
        torch.Size([1, 128, 4, 4])
    """

    def __init__(
        self,
        in_channels: int,
        channels: tuple[int, int, int],
        *,
        stride: int = 1,
        strided: Literal["first", "second"] = "second",
        groups: int = 1,
        projection: Literal["1x1", "3x3", "pooled"] = "1x1",
        attention: nn.Module | None = None,
    ) -> None:
        super().__init__()
        reduced, filtered, restored = channels
        first, second = (stride, 1) if strided == "first" else (1, stride)
        self.reduce = ConvNormActivation(in_channels, reduced, 1, stride=first)
        self.filter = GroupConvolution(reduced, filtered, 3, groups=groups, stride=second)
        self.restore = ConvNormActivation(filtered, restored, 1, activation=None)
        self.attention = nn.Identity() if attention is None else attention
        self.shortcut: nn.Module = nn.Identity()
        pooled = projection == "pooled" and stride != 1
        if stride != 1 or in_channels != restored:
            kernel = 3 if projection == "3x3" else 1
            self.shortcut = ConvNormActivation(
                in_channels, restored, kernel, stride=1 if pooled else stride, activation=None
            )
        if pooled:
            pool = nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False)
            self.shortcut = nn.Sequential(OrderedDict(pool=pool, projection=self.shortcut))
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated sum of residual and shortcut."""
        residual = self.attention(self.restore(self.filter(self.reduce(x))))
        result: Tensor = self.activation(residual + self.shortcut(x))
        return result
