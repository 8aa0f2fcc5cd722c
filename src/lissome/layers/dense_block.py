"""Dense block: every layer reads the outputs of all layers before it.

    x_{l+1} = [x_l, F_l(x_l)]        F_l: k new channels (k = growth)

After n layers C + n·k channels leave. Cost of layer l with 3x3 alone: H·W·9·(C + l·k)·k MACs; with a 1x1 to 4k first:
H·W·(4k·(C + l·k) + 36·k²). Few parameters, but the concatenations write every channel again and again: the bytes
grow with n², which is why it runs slower than its MACs say.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from lissome.layers.pre_activation import PreActivationConvolution


class DenseLayer(nn.Module):
    """Compute k new channels and append them to the input.

    Args:
        in_channels: Channels of the input.
        growth: k, channels computed.
        bottleneck: A 1x1 convolution to 4k channels comes before the 3x3.
        masked: Put a `ChannelMask` in front of the first convolution.

    Shape:
        (N, in_channels, H, W) to (N, in_channels + growth, H, W).

    Source:
        Huang et al. 2016, arXiv:1608.06993, Equation 2 and Section 3, "Bottleneck layers".

    Example:
        >>> DenseLayer(24, 12, bottleneck=False)(torch.zeros(1, 24, 4, 4)).shape
        torch.Size([1, 36, 4, 4])
    """

    def __init__(self, in_channels: int, growth: int, *, bottleneck: bool, masked: bool = False) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if bottleneck:
            layers["reduce"] = PreActivationConvolution(in_channels, 4 * growth, 1, masked=masked)
            layers["grow"] = PreActivationConvolution(4 * growth, growth, 3)
        else:
            layers["grow"] = PreActivationConvolution(in_channels, growth, 3, masked=masked)
        self.layers = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the input with the new channels after it."""
        return torch.cat([x, self.layers(x)], 1)


class DenseBlock(nn.Sequential):
    """Dense layers in a row.

    Args:
        in_channels: Channels of the input.
        layers: n, number of layers.
        growth: k, channels each layer adds.
        bottleneck: See `DenseLayer`.
        masked: See `DenseLayer`.

    Shape:
        (N, in_channels, H, W) to (N, in_channels + layers · growth, H, W); `out_channels` holds the sum.
    """

    def __init__(self, in_channels: int, layers: int, growth: int, *, bottleneck: bool, masked: bool = False) -> None:
        super().__init__(
            *(
                DenseLayer(in_channels + index * growth, growth, bottleneck=bottleneck, masked=masked)
                for index in range(layers)
            )
        )
        self.out_channels = in_channels + layers * growth


class DenseTransition(nn.Sequential):
    """Between dense blocks: 1x1 convolution to fewer channels, then 2x2 mean.

    Cost: H·W·C·C' MACs before the pooling.

    Args:
        in_channels: C, channels of the input.
        out_channels: C', channels of the output.
        masked: Put a `ChannelMask` in front of the convolution.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ⌊H / 2⌋, ⌊W / 2⌋).
    """

    def __init__(self, in_channels: int, out_channels: int, *, masked: bool = False) -> None:
        super().__init__(
            OrderedDict[str, nn.Module](
                reduce=PreActivationConvolution(in_channels, out_channels, 1, masked=masked),
                pool=nn.AvgPool2d(2),
            )
        )
