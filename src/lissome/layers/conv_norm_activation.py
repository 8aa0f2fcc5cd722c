"""Convolution, batch normalisation, activation: the unit nearly every block is made of.

    y = activation(gamma * (W ∗ x - mean) / sqrt(var + eps) + beta)

The convolution has no bias, because beta is one. At run time the normalisation folds into W, so the unit costs
one convolution: kernel² · C_in/groups · C_out · H_out · W_out MACs.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

from torch import nn


class ConvNormActivation(nn.Sequential):
    """Convolution without bias, batch normalisation, and an activation unless it is None.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Height and width of the kernel, or one number for both.
        stride: Step in both directions.
        padding: "same" keeps H and W at stride 1 (half the kernel on each side); "valid" pads nothing; or a number.
        groups: Groups of the convolution; `in_channels` makes it depthwise.
        activation: Builds the activation; None leaves the unit linear.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉) with an odd kernel and "same".

    Source:
        Ioffe and Szegedy 2015, arXiv:1502.03167, Algorithm 1 and Section 3.2.

    Example:
        >>> import torch
        >>> ConvNormActivation(3, 8, 3, stride=2)(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 8, 16, 16])
    """

    conv: nn.Conv2d
    norm: nn.BatchNorm2d

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        *,
        stride: int = 1,
        padding: Literal["same", "valid"] | int = "same",
        groups: int = 1,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
    ) -> None:
        kernel = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        if padding == "same":
            pad = ((kernel[0] - 1) // 2, (kernel[1] - 1) // 2)
        else:
            margin = 0 if padding == "valid" else padding
            pad = (margin, margin)
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv=nn.Conv2d(in_channels, out_channels, kernel, stride, pad, groups=groups, bias=False),
            norm=nn.BatchNorm2d(out_channels),
        )
        if activation is not None:
            layers["activation"] = activation()
        super().__init__(layers)
