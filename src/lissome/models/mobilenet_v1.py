"""MobileNetV1 (Howard et al. 2017, arXiv:1704.04861): a plain chain of depthwise-separable convolutions.

Idea: filtering (3x3, each channel alone) and mixing (1x1) are separate jobs; done separately they cost an eighth.

Cost of a block with C in, C' out: H·W·C·(9 + C') MACs against 9·H·W·C·C' of a full 3x3. The 1x1 convolutions take
95 % of the MACs and 75 % of the parameters (Table 2 of the paper). Cost grows with width² and resolution².
"""

from collections import OrderedDict

from torch import nn

from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.depthwise_separable import DepthwiseSeparable
from lissome.layers.initialization import initialize
from lissome.layers.width import scaled_channels

# Table 1 of the paper: channels and stride of each block.
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))


class MobileNetV1(nn.Sequential):
    """MobileNetV1 with its width multiplier.

    Args:
        classes: Number of outputs.
        width: Multiplier of the channels, > 0; the paper uses 1, 0.75, 0.5 and 0.25.
        input_channels: Channels of the image.
        small_input: Stem and first strided block keep the resolution, for images of about 32x32.

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in MobileNetV1(width=0.25).parameters())
        470072
    """

    def __init__(
        self, *, classes: int = 1000, width: float = 1.0, input_channels: int = 3, small_input: bool = False
    ) -> None:
        channels = scaled_channels(32, width)
        stem = ConvNormActivation(input_channels, channels, 3, stride=1 if small_input else 2)
        blocks: list[nn.Module] = []
        for index, (base, stride) in enumerate(BLOCKS):
            out_channels = scaled_channels(base, width)
            kept = small_input and index == 1
            blocks.append(DepthwiseSeparable(channels, out_channels, stride=1 if kept else stride))
            channels = out_channels
        super().__init__(
            OrderedDict(
                stem=stem,
                blocks=nn.Sequential(*blocks),
                pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                classifier=nn.Linear(channels, classes),
            )
        )
        initialize(self)
