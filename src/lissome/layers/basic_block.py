"""Basic residual block: two 3x3 convolutions and the input.

    y = activation(shortcut(x) + F2(activation(F1(x))))

Cost at stride 1: H·W·9·(C·C' + C'²) MACs; a projection adds H·W·C·C' / stride², padding adds nothing.
"""

from typing import Literal

from torch import Tensor, nn

from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.pad_shortcut import PadShortcut


class BasicBlock(nn.Module):
    """The two-layer block of ResNet-18/34 and of the CIFAR ResNets.

    Args:
        in_channels: C, channels of the input.
        out_channels: C', channels of the output.
        stride: Stride of the first convolution.
        shortcut: What replaces the identity where the shape changes: "projection" (1x1 convolution, option B) or
            "pad" (no parameters, option A).

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉).

    Source:
        He et al. 2015, arXiv:1512.03385, Figure 2 and Section 3.3.

    Example:
        >>> import torch
        >>> BasicBlock(16, 32, stride=2)(torch.zeros(1, 16, 8, 8)).shape
        torch.Size([1, 32, 4, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        shortcut: Literal["projection", "pad"] = "projection",
    ) -> None:
        super().__init__()
        self.conv1 = ConvNormActivation(in_channels, out_channels, 3, stride=stride)
        self.conv2 = ConvNormActivation(out_channels, out_channels, 3, activation=None)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            if shortcut == "pad":
                self.shortcut = PadShortcut(in_channels, out_channels, stride=stride)
            else:
                self.shortcut = ConvNormActivation(in_channels, out_channels, 1, stride=stride, activation=None)
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated sum of residual and shortcut."""
        result: Tensor = self.activation(self.conv2(self.conv1(x)) + self.shortcut(x))
        return result
