"""MobileNet-SSD: the single-shot detector (Liu et al. 2015, arXiv:1512.02325) on MobileNetV1 instead of VGG.

Idea: six maps of falling size, two from the backbone and four from convolutions behind it, each with its own 1x1
predictors of changes and classes for a few default boxes a place. No map knows of another, so small objects, which only
the finest one sees, are found worse than by detectors with a pyramid; and there is nothing to merge.

Cost: at 300x300 with the 20 classes of Pascal VOC 1,917 places and 5.80 M parameters.
"""

import torch
from torch import Tensor, nn

from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.initialization import initialize
from lissome.layers.width import scaled_channels
from lissome.models.mobilenet_v1 import MobileNetV1

FINE = 11
"""Blocks of MobileNetV1 up to its last map of stride 16."""
BACKBONE = (512, 1024)
EXTRAS = ((256, 512), (128, 256), (128, 256), (64, 128))
"""Channels of the narrowing 1x1 and of the striding 3x3 convolution behind the backbone."""
BOXES = (3, 6, 6, 6, 6, 6)


class MobileNetSsd(nn.Module):
    """The detector. It returns raw scores; `detection.heads.SsdHead` makes boxes of them.

    Args:
        classes: Classes of objects; "nothing" comes before them.
        width: Multiplier of the channels, > 0.
        input_channels: Channels of the image.

    Shape:
        (N, input_channels, H, W) to (N, places, 4 + 1 + classes), with three places for each pixel of the first map and
        six for each of the others.

    Example:
        >>> MobileNetSsd(width=0.25).eval()(torch.zeros(1, 3, 300, 300)).shape
        torch.Size([1, 1917, 25])
    """

    def __init__(self, classes: int = 20, *, width: float = 1.0, input_channels: int = 3) -> None:
        super().__init__()
        backbone = MobileNetV1(width=width, input_channels=input_channels)
        blocks = list(backbone.get_submodule("blocks").children())
        self.fine = nn.Sequential(backbone.get_submodule("stem"), *blocks[:FINE])
        self.coarse = nn.Sequential(*blocks[FINE:])
        channels = [scaled_channels(one, width) for one in BACKBONE]
        self.extras = nn.ModuleList()
        for narrow, wide in EXTRAS:
            inner, outer = scaled_channels(narrow, width), scaled_channels(wide, width)
            self.extras.append(
                nn.Sequential(ConvNormActivation(channels[-1], inner, 1), ConvNormActivation(inner, outer, 3, stride=2))
            )
            channels.append(outer)
        self.values = 5 + classes
        self.predictors = nn.ModuleList(
            nn.Conv2d(one, boxes * self.values, 1) for one, boxes in zip(channels, BOXES, strict=True)
        )
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the raw scores of all places."""
        maps = [self.fine(x)]
        maps.append(self.coarse(maps[0]))
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        raw = [self._places(predict(one)) for predict, one in zip(self.predictors, maps, strict=True)]
        return torch.cat(raw, 1)

    def _places(self, raw: Tensor) -> Tensor:
        """Put the values of each default box of each place side by side, place by place."""
        batch, channels, height, width = raw.shape
        split = raw.reshape(batch, channels // self.values, self.values, height * width)
        return split.permute(0, 3, 1, 2).reshape(batch, height * width * (channels // self.values), self.values)
