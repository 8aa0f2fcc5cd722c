"""IGCV3-D (Sun et al. 2018, arXiv:1806.00178): low rank and group sparsity in one block.

Idea: MobileNetV2's block is a product of low-rank kernels, IGCV2's a product of sparse ones; do both: the two 1x1
convolutions of an inverted residual in 2 groups, with permutations between them, and spend the half saved on twice
as many blocks (D: deeper). Only the depthwise convolution is followed by an activation.

Cost of a block with C in, C' out, E = 6·C, g groups: H·W·E·(C / g + (9 + C' / g) / stride²) MACs.
"""

from collections import OrderedDict

from torch import nn

from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.initialization import initialize
from lissome.layers.interleaved_group import InterleavedLowRankGroup
from lissome.layers.width import scaled_channels

# Expansion, channels, repeats, stride of the first.
STAGES = ((1, 16, 1, 1), (6, 24, 4, 2), (6, 32, 6, 2), (6, 64, 8, 2), (6, 96, 6, 1), (6, 160, 6, 2), (6, 320, 1, 1))


class IGCV3(nn.Sequential):
    """IGCV3-D with its width multiplier.

    Args:
        classes: Number of outputs.
        width: Multiplier of the channels, > 0; the paper uses 0.7, 1 and 1.4. The last 1280 channels shrink for none.
        input_channels: Channels of the image.
        small_input: Stem and second stage keep the resolution, for images of about 32x32.

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in IGCV3(width=0.75).parameters())
        2638084
    """

    def __init__(
        self, *, classes: int = 1000, width: float = 1.0, input_channels: int = 3, small_input: bool = False
    ) -> None:
        channels = scaled_channels(32, width, multiple_of=2)
        stem = ConvNormActivation(input_channels, channels, 3, stride=1 if small_input else 2, activation=nn.ReLU6)
        blocks: list[nn.Module] = []
        for stage, (expansion, base, repeats, stage_stride) in enumerate(STAGES):
            out_channels = scaled_channels(base, width, multiple_of=2)
            for repeat in range(repeats):
                kept = repeat > 0 or (small_input and stage == 1)
                blocks.append(
                    InterleavedLowRankGroup(
                        channels, out_channels, channels * expansion, stride=1 if kept else stage_stride
                    )
                )
                channels = out_channels
        features = scaled_channels(1280, max(1.0, width), multiple_of=2)
        super().__init__(
            OrderedDict(
                stem=stem,
                blocks=nn.Sequential(*blocks),
                head=ConvNormActivation(channels, features, 1, activation=nn.ReLU6),
                pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                classifier=nn.Linear(features, classes),
            )
        )
        initialize(self)
