"""One-shot aggregation: a chain of 3x3 convolutions whose results are concatenated once, at the end.

    x_i = f_i(x_{i-1})          y = T([x_0, x_1, …, x_n])          f: 3x3, g channels; T: 1x1

A dense block concatenates before every layer, so its inputs grow and each byte is read again and again. Here every
layer has g channels in and g out: for equal MACs that is the least memory traffic, and one concatenation does.
Cost: H·W·(9·C·g + 9·(n - 1)·g² + (C + n·g)·C') MACs.
"""

import torch
from torch import Tensor, nn

from lissome.layers.conv_norm_activation import ConvNormActivation


class OneShotAggregation(nn.Module):
    """A chain of convolutions, one concatenation, one 1x1 convolution.

    Args:
        in_channels: C, channels of the input.
        growth: g, channels of each 3x3 convolution.
        out_channels: C', channels of the output.
        depth: n, number of 3x3 convolutions; >= 1.
        attention: A layer behind the 1x1 convolution, or None.
        residual: Add the input to the output; needs C = C'.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, H, W).

    Source:
        Lee et al. 2019, arXiv:1904.09730, Figure 1 (b); attention and residual: Lee and Park 2020,
        arXiv:1911.06667 (VoVNetV2).

    Example:
        >>> OneShotAggregation(16, 8, 32)(torch.zeros(1, 16, 4, 4)).shape
        torch.Size([1, 32, 4, 4])
    """

    def __init__(
        self,
        in_channels: int,
        growth: int,
        out_channels: int,
        *,
        depth: int = 5,
        attention: nn.Module | None = None,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.chain = nn.ModuleList(
            ConvNormActivation(growth if index else in_channels, growth, 3) for index in range(depth)
        )
        self.aggregate = ConvNormActivation(in_channels + depth * growth, out_channels, 1)
        self.attention = nn.Identity() if attention is None else attention
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """Return the aggregated features."""
        features = [x]
        for layer in self.chain:
            features.append(layer(features[-1]))
        y: Tensor = self.attention(self.aggregate(torch.cat(features, 1)))
        return x + y if self.residual else y
