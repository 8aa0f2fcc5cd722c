"""Effective squeeze-and-excitation: weigh the channels by one full-width layer, without a bottleneck.

    y = x · hard_sigmoid(W · mean(x) + b)          W: C x C

Squeezing to C / r loses channel information; one layer keeps it. Cost: C² MACs and C² + C parameters, once an image.
"""

from torch import Tensor, nn


class EffectiveSqueezeExcitation(nn.Module):
    """Channel attention by one 1x1 convolution of the pooled features.

    Args:
        channels: C, channels of input and output.

    Shape:
        (N, channels, H, W) to the same.

    Source:
        Lee and Park 2020, arXiv:1911.06667 (VoVNetV2, eSE).

    Example:
        >>> import torch
        >>> EffectiveSqueezeExcitation(4)(torch.zeros(1, 4, 2, 2)).shape
        torch.Size([1, 4, 2, 2])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.mix = nn.Conv2d(channels, channels, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighed features."""
        weights: Tensor = self.gate(self.mix(self.pool(x)))
        return x * weights
