"""Channel mask: one number per channel, 1 to start with, that pruning may set to 0.

    y_c = m_c · x_c

In a pre-activation network the skip carries all channels past every unit, so a unit cannot remove a channel from its
input; a mask in front of its first convolution lets it read fewer. Cost: C parameters, no MAC; a mask of ones can be
left out, a mask with zeros becomes a selection of channels.
"""

import torch
from torch import Tensor, nn


class ChannelMask(nn.Module):
    """Multiply each channel by a stored factor that training leaves alone.

    Args:
        channels: Number of channels.

    Shape:
        (N, channels, H, W) to the same.

    Source:
        Liu et al. 2017 (network slimming), arXiv:1708.06519, Section 3, "Handling cross layer connections".

    Example:
        >>> mask = ChannelMask(2)
        >>> mask.mask.data[0] = 0
        >>> mask(torch.ones(1, 2, 1, 1)).flatten().tolist()
        [0.0, 1.0]
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mask = nn.Parameter(torch.ones(channels), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the masked input."""
        return x * self.mask.reshape(1, -1, 1, 1)
