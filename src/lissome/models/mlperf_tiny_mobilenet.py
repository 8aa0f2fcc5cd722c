"""MLPerf-Tiny's MobileNetV1-0.25 (Banbury et al. 2021, arXiv:2106.07597): is there a person in the picture?

Idea: MobileNetV1 at a quarter of the width on 96x96 pixels, the visual wake words task (Chowdhery et al. 2019,
arXiv:1906.05721), in a file of 325 KiB with 8-bit weights.

Cost: H·W·C·(9 + C') MACs a block. At a quarter of the width the 1x1 convolutions cost 1/16 and the depthwise ones
1/4, so the share of the depthwise convolutions, 9 / (9 + C'), is no longer small.

Built as the published Keras file is: biases in front of the normalisations, "SAME" padding. Images come in as 0 to 1.
"""

from collections import OrderedDict

from torch import nn

from lissome.layers.initialization import initialize
from lissome.layers.keras_unit import keras_unit
from lissome.layers.width import scaled_channels
from lissome.models.mobilenet_v1 import BLOCKS


class KerasMobileNetV1(nn.Sequential):
    """MobileNetV1 as Keras builds it.

    Args:
        classes: Number of outputs.
        width: Multiplier of the channels, > 0.
        input_channels: Channels of the image.
        input_size: Height and width of the images, for the padding; any size equal to it modulo 32 works alike.
        small_input: Stem and first strided block keep the resolution, for images of about 32x32.

    Shape:
        (N, input_channels, input_size, input_size) to (N, classes).

    Example:
        >>> sum(p.numel() for p in KerasMobileNetV1().parameters())
        216322
    """

    def __init__(
        self,
        *,
        classes: int = 2,
        width: float = 0.25,
        input_channels: int = 3,
        input_size: int = 96,
        small_input: bool = False,
    ) -> None:
        channels, stem_stride = scaled_channels(32, width), 1 if small_input else 2
        stem = keras_unit(input_channels, channels, 3, size=input_size, stride=stem_stride)
        size = -(-input_size // stem_stride)
        blocks: list[nn.Module] = []
        for index, (base, block_stride) in enumerate(BLOCKS):
            out_channels = scaled_channels(base, width)
            stride = 1 if small_input and index == 1 else block_stride
            depthwise = keras_unit(channels, channels, 3, size=size, stride=stride, groups=channels)
            size = -(-size // stride)
            pointwise = keras_unit(channels, out_channels, 1, size=size)
            blocks.append(nn.Sequential(OrderedDict(depthwise=depthwise, pointwise=pointwise)))
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
