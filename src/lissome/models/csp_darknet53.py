"""CSPDarknet-53 (Wang et al. 2019, arXiv:1911.11929; YOLOv4's backbone, Bochkovskiy et al. 2020, arXiv:2004.10934).

Idea: DarkNet-53 whose stages work on half of the channels, while the other half goes around.

Cost of a stage of n blocks with c channels: blocks H·W·n·10·(c/2)² = 2.5·n·H·W·c² instead of 5·n·H·W·c², plus
2.25·H·W·c² for the 1x1 convolutions around them: 56 % at eight blocks.
"""

from collections import OrderedDict

from torch import nn

from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.cross_stage_partial import CrossStagePartial, leaky_relu
from lissome.layers.initialization import initialize
from lissome.layers.width import scaled_channels
from lissome.models.darknet53 import STAGES, DarknetBlock


class CSPDarkNet53(nn.Sequential):
    """CSPDarknet-53.

    Args:
        classes: Number of outputs.
        width: Multiplier of the channels, > 0.
        input_channels: Channels of the image.
        small_input: The first two stages keep the resolution, for images of about 32x32.

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in CSPDarkNet53(width=0.25).parameters())
        1927360
    """

    def __init__(
        self, *, classes: int = 1000, width: float = 1.0, input_channels: int = 3, small_input: bool = False
    ) -> None:
        channels = scaled_channels(32, width)
        stem = ConvNormActivation(input_channels, channels, 3, activation=leaky_relu)
        stages: list[nn.Module] = []
        for stage, (base, repeats) in enumerate(STAGES):
            out_channels = scaled_channels(base, width)
            stride = 1 if small_input and stage < 2 else 2
            down = ConvNormActivation(channels, out_channels, 3, stride=stride, activation=leaky_relu)
            # The first stage has one block only: it keeps all channels in the block, and half of them inside it.
            first = stage == 0
            inner = out_channels if first else out_channels // 2
            blocks = [DarknetBlock(inner, inner // 2 if first else inner) for _ in range(repeats)]
            partial = CrossStagePartial(
                out_channels, out_channels, 2 * inner, nn.Sequential(*blocks), block_channels=inner
            )
            stages.append(nn.Sequential(OrderedDict(down=down, partial=partial)))
            channels = out_channels
        super().__init__(
            OrderedDict(
                stem=stem,
                stages=nn.Sequential(*stages),
                pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                classifier=nn.Linear(channels, classes),
            )
        )
        initialize(self)
