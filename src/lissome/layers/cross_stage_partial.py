"""Cross-stage partial connection: half of the channels go through the stage's blocks, half go around them.

    [a, b] = split(E(x))          y = T([a, P(B(b))])          E, P, T: 1x1 convolutions, B: the blocks

The gradient of each half stays in its half, so the blocks do not learn the same thing twice. Cost with blocks of
quadratic cost: they see half of the channels and take about a quarter of the MACs; E, P and T add
H·W·(C·e + c·e/2 + e·C') for e expanded and c block channels.
"""

import torch
from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.layers.channel_shuffle import channel_split
from lissome.layers.conv_norm_activation import ConvNormActivation


def leaky_relu() -> nn.Module:
    """Return the activation of the Darknet family: slope 0.1 below zero.

    Example:
        >>> leaky_relu()(torch.tensor(-1.0)).item()
        -0.1...
    """
    return nn.LeakyReLU(0.1)


class CrossStagePartial(nn.Module):
    """A stage whose blocks work on one half of the channels.

    Args:
        in_channels: C, channels of the input.
        out_channels: C', channels of the output.
        expanded_channels: e, channels before the split; even.
        blocks: The stage's blocks; map e/2 channels to `block_channels` and keep H and W.
        block_channels: c, channels that the blocks return.
        linear_expansion: Leave the activation behind E out.

    Raises:
        SettingError: `expanded_channels` is odd.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, H, W).

    Source:
        Wang et al. 2019, arXiv:1911.11929, Section 3 and Figure 2 (b).

    Example:
        >>> stage = CrossStagePartial(8, 16, 12, ConvNormActivation(6, 6), block_channels=6)
        >>> stage(torch.zeros(1, 8, 4, 4)).shape
        torch.Size([1, 16, 4, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expanded_channels: int,
        blocks: nn.Module,
        *,
        block_channels: int,
        linear_expansion: bool = False,
    ) -> None:
        super().__init__()
        if expanded_channels % 2:
            raise SettingError(
                f"{expanded_channels} channels cannot be halved",
                where="CrossStagePartial",
                fix="expand to an even number",
            )
        half = expanded_channels // 2
        self.expand = ConvNormActivation(
            in_channels, expanded_channels, 1, activation=None if linear_expansion else leaky_relu
        )
        self.blocks = blocks
        self.transition = ConvNormActivation(block_channels, half, 1, activation=leaky_relu)
        self.merge = ConvNormActivation(2 * half, out_channels, 1, activation=leaky_relu)

    def forward(self, x: Tensor) -> Tensor:
        """Return both halves merged."""
        parts = channel_split(self.expand(x))
        processed = self.transition(self.blocks(parts[1]))
        merged: Tensor = self.merge(torch.cat([parts[0], processed], 1))
        return merged
