"""EfficientNet-B0 (Tan and Le 2019, arXiv:1905.11946): MnasNet's search with attention, and one rule to scale it.

Idea: grow depth, width and resolution together, by α^φ, β^φ and γ^φ with α·β²·γ² ≈ 2 (α 1.2, β 1.1, γ 1.15), because
cost grows with depth · width² · resolution² and each of them alone saturates.

Cost of a block: H·W·t·C·(C + (K² + C') / stride²) MACs, plus t·C²/2 for squeeze-and-excitation to C / 4 channels.
"""

from collections import OrderedDict
from math import ceil

from torch import nn

from lissome.layers.batch_norm import set_batch_norm
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.initialization import initialize
from lissome.layers.inverted_residual import InvertedResidual
from lissome.layers.squeeze_excitation import SqueezeExcitation
from lissome.layers.width import scaled_channels

# Table 1 of the paper: expansion, kernel, channels, repeats, stride of the first.
STAGES = (
    (1, 3, 16, 1, 1),
    (6, 3, 24, 2, 2),
    (6, 5, 40, 2, 2),
    (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
)


class EfficientNet(nn.Sequential):
    """EfficientNet by width and depth; B0 at 1 and 1.

    Args:
        classes: Number of outputs.
        width: Multiplier of the channels, > 0; B1 1.0, B2 1.1, B3 1.2, B4 1.4.
        depth: Multiplier of the repeats, rounded up, > 0; B1 1.1, B2 1.2, B3 1.4, B4 1.8.
        input_channels: Channels of the image.
        small_input: Stem and first strided block keep the resolution, for images of about 32x32.
        dropout: Share of features dropped before the classifier in training, [0, 1).

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in EfficientNet().parameters())
        5288548
    """

    def __init__(
        self,
        *,
        classes: int = 1000,
        width: float = 1.0,
        depth: float = 1.0,
        input_channels: int = 3,
        small_input: bool = False,
        dropout: float = 0.2,
    ) -> None:
        channels = scaled_channels(32, width)
        stem = ConvNormActivation(input_channels, channels, 3, stride=1 if small_input else 2, activation=nn.SiLU)
        blocks: list[nn.Module] = []
        for stage, (expansion, kernel_size, base, repeats, stage_stride) in enumerate(STAGES):
            out_channels = scaled_channels(base, width)
            for repeat in range(ceil(repeats * depth)):
                kept = repeat > 0 or (small_input and stage == 1)
                expanded = channels * expansion
                blocks.append(
                    InvertedResidual(
                        channels,
                        out_channels,
                        expanded,
                        kernel_size=kernel_size,
                        stride=1 if kept else stage_stride,
                        activation=nn.SiLU,
                        attention=SqueezeExcitation(expanded, max(1, channels // 4), activation=nn.SiLU),
                    )
                )
                channels = out_channels
        features = scaled_channels(1280, width)
        super().__init__(
            OrderedDict(
                stem=stem,
                blocks=nn.Sequential(*blocks),
                head=ConvNormActivation(channels, features, 1, activation=nn.SiLU),
                pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                dropout=nn.Dropout(dropout),
                classifier=nn.Linear(features, classes),
            )
        )
        initialize(self)
        set_batch_norm(self, eps=1e-3, momentum=0.01)
