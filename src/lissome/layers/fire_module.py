"""Fire module: squeeze to few channels by 1x1, expand by 1x1 and 3x3 side by side.

    s = relu(W_s · x)        y = [relu(W_1 · s), relu(W_3 ∗ s)]

Cost with C in, S squeezed, E/2 out of each half: H·W·(C·S + S·E/2 + 9·S·E/2) MACs, against 9·C·E of a plain 3x3:
S/C of the cost for half of the filters, S/(9·C) for the other half.
"""

import torch
from torch import Tensor, nn


class FireModule(nn.Module):
    """Squeeze, then expand on two branches. No normalisation; the convolutions have biases.

    Args:
        in_channels: C, channels of the input.
        squeezed_channels: S, channels after the squeeze.
        branch_channels: E/2, channels of each expanding branch.

    Shape:
        (N, in_channels, H, W) to (N, 2 · branch_channels, H, W).

    Source:
        Iandola et al. 2016, arXiv:1602.07360, Section 3.2.

    Example:
        >>> FireModule(96, 16, 64)(torch.zeros(1, 96, 8, 8)).shape
        torch.Size([1, 128, 8, 8])
    """

    def __init__(self, in_channels: int, squeezed_channels: int, branch_channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeezed_channels, 1)
        self.expand1x1 = nn.Conv2d(squeezed_channels, branch_channels, 1)
        self.expand3x3 = nn.Conv2d(squeezed_channels, branch_channels, 3, padding=1)
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return both branches, concatenated."""
        squeezed = self.activation(self.squeeze(x))
        return torch.cat([self.activation(self.expand1x1(squeezed)), self.activation(self.expand3x3(squeezed))], 1)
