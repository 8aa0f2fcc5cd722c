"""MnasNet-B1 (Tan et al. 2018, arXiv:1807.11626): inverted residuals chosen by measured latency.

Idea: search over kernel, expansion, width and depth of each stage with the latency of a real phone in the reward,
accuracy · (latency / target)^-0.07. B1 is the result without squeeze-and-excitation.

Cost of a block with C in, C' out, expansion t, kernel K: H·W·t·C·(C + (K² + C') / stride²) MACs. A 5x5 depthwise
kernel adds 16/9 to the smallest term only, which is why the search likes it.
"""

from collections import OrderedDict

from torch import nn

from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.initialization import initialize
from lissome.layers.inverted_residual import InvertedResidual
from lissome.layers.width import scaled_channels

# Expansion, kernel, channels, repeats, stride of the first.
STAGES = ((3, 3, 24, 3, 2), (3, 5, 40, 3, 2), (6, 5, 80, 3, 2), (6, 3, 96, 2, 1), (6, 5, 192, 4, 2), (6, 3, 320, 1, 1))


class MnasNet(nn.Sequential):
    """MnasNet-B1 with a width multiplier.

    Args:
        classes: Number of outputs.
        width: Multiplier of the channels, > 0. The last 1280 channels stay.
        input_channels: Channels of the image.
        small_input: Stem and first strided block keep the resolution, for images of about 32x32.
        dropout: Share of features dropped before the classifier in training, [0, 1).

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in MnasNet().parameters())
        4383312
    """

    def __init__(
        self,
        *,
        classes: int = 1000,
        width: float = 1.0,
        input_channels: int = 3,
        small_input: bool = False,
        dropout: float = 0.2,
    ) -> None:
        channels = scaled_channels(32, width)
        stem = ConvNormActivation(input_channels, channels, 3, stride=1 if small_input else 2)
        out_channels = scaled_channels(16, width)
        blocks: list[nn.Module] = [InvertedResidual(channels, out_channels, channels, activation=nn.ReLU)]
        channels = out_channels
        for stage, (expansion, kernel_size, base, repeats, stage_stride) in enumerate(STAGES):
            out_channels = scaled_channels(base, width)
            for repeat in range(repeats):
                kept = repeat > 0 or (small_input and stage == 0)
                blocks.append(
                    InvertedResidual(
                        channels,
                        out_channels,
                        channels * expansion,
                        kernel_size=kernel_size,
                        stride=1 if kept else stage_stride,
                        activation=nn.ReLU,
                    )
                )
                channels = out_channels
        super().__init__(
            OrderedDict(
                stem=stem,
                blocks=nn.Sequential(*blocks),
                head=ConvNormActivation(channels, 1280, 1),
                pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                dropout=nn.Dropout(dropout),
                classifier=nn.Linear(1280, classes),
            )
        )
        initialize(self)
