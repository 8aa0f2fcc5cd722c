"""Depthwise-separable convolution: filter each channel alone, then mix channels pixel by pixel.

    y = W_point · (W_depth ∗ x)        W_depth: C kernels of K x K, W_point: C' x C

Cost: H·W·C·(K² + C') MACs against H·W·C·K²·C' of the full convolution, a share of 1/C' + 1/K² (about 1/8 to 1/9
for K = 3). The depthwise half moves as many bytes as it did before with 1/C' of the work, so it is bound by memory.
"""

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from lissome.layers.conv_norm_activation import ConvNormActivation


class DepthwiseSeparable(nn.Sequential):
    """Depthwise KxK and pointwise 1x1 convolution.

    Args:
        in_channels: C, channels of the input.
        out_channels: C', channels of the output.
        kernel_size: Odd size of the depthwise kernel.
        stride: Stride of the depthwise convolution.
        activation: Builds the activations; None leaves the unit linear.
        plain_depthwise: The two convolutions touch, without normalisation and activation in between (Xception);
            otherwise each half is a whole unit (MobileNetV1).

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉).

    Source:
        Howard et al. 2017, arXiv:1704.04861, Section 3.1, Equation 5; Chollet 2016, arXiv:1610.02357, Section 3.

    Example:
        >>> import torch
        >>> DepthwiseSeparable(8, 16, stride=2)(torch.zeros(1, 8, 32, 32)).shape
        torch.Size([1, 16, 16, 16])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int = 3,
        stride: int = 1,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
        plain_depthwise: bool = False,
    ) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if plain_depthwise:
            layers["depthwise"] = nn.Conv2d(
                in_channels, in_channels, kernel_size, stride, kernel_size // 2, groups=in_channels, bias=False
            )
        else:
            layers["depthwise"] = ConvNormActivation(
                in_channels, in_channels, kernel_size, stride=stride, groups=in_channels, activation=activation
            )
        layers["pointwise"] = ConvNormActivation(in_channels, out_channels, 1, activation=activation)
        super().__init__(layers)
