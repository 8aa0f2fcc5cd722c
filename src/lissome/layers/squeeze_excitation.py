"""Squeeze-and-excitation: one factor per channel, computed from the means of all channels.

    s = mean over H, W of x        z = gate(W2 · activation(W1 · s + b1) + b2)        y = x · z

W1 reduces C channels to C / r, W2 goes back. Cost: 2 · C² / r MACs whatever the image size, and 2 · C² / r + C / r + C
parameters; but x must be read twice, and the whole of it before the first product, which is what it costs in time.

Placement: after the last 1x1 of a bottleneck, before the sum (SE-ResNet, r = 16); between depthwise convolution and
projection, on the expanded channels (MobileNetV3, r = 4, gate = hard sigmoid max(0, min(1, x / 6 + 1/2)), which needs
no exponential; EfficientNet, r counted from the block's input).
"""

from collections.abc import Callable

from torch import Tensor, nn


class SqueezeExcitation(nn.Module):
    """Scale each channel by a factor in [0, 1] computed from the global means.

    Args:
        channels: C, channels of the input and the output.
        squeezed_channels: C / r, channels in between; >= 1.
        activation: Builds the activation in between.
        gate: Builds what maps to [0, 1]: nn.Sigmoid or nn.Hardsigmoid.

    Shape:
        (N, channels, H, W) to the same.

    Source:
        Hu et al. 2017, arXiv:1709.01507, Equations 2 to 4; hard sigmoid: Howard et al. 2019, arXiv:1905.02244,
        Section 5.2.

    Example:
        >>> import torch
        >>> SqueezeExcitation(16, 4)(torch.zeros(1, 16, 8, 8)).shape
        torch.Size([1, 16, 8, 8])
    """

    def __init__(
        self,
        channels: int,
        squeezed_channels: int,
        *,
        activation: Callable[[], nn.Module] = nn.ReLU,
        gate: Callable[[], nn.Module] = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        # 1x1 convolutions on 1x1 pixels: linear layers that need no reshaping, which engines fuse better.
        self.squeeze = nn.Conv2d(channels, squeezed_channels, 1)
        self.activation = activation()
        self.excite = nn.Conv2d(squeezed_channels, channels, 1)
        self.gate = gate()

    def forward(self, x: Tensor) -> Tensor:
        """Return the input, each channel scaled."""
        factors: Tensor = self.gate(self.excite(self.activation(self.squeeze(self.pool(x)))))
        return x * factors
