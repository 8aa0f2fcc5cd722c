"""A detector shaped like NanoDet-m: ShuffleNetV2, a pyramid without convolutions of its own, depthwise heads.

Idea: three maps (strides 8, 16, 32) get the same few channels by a 1x1 convolution each, are added from the top down
and from the bottom up at no cost but the sums, and each has a light head of two depthwise-separable convolutions. There
are no anchors, and no objectness: a class's score says how good its box is.

Cost: with 96 channels and the ShuffleNetV2 of width 1, 0.95 M parameters, as NanoDet-m (github.com/RangiLyu/nanodet).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.cross_stage_partial import leaky_relu
from lissome.layers.depthwise_separable import DepthwiseSeparable
from lissome.layers.initialization import initialize
from lissome.models.shufflenet_v2 import CHANNELS, REPEATS, ShuffleNetV2


class NanoDetLike(nn.Module):
    """The detector. It returns raw scores; `detection.heads.NanoDetHead` makes boxes of them.

    Args:
        classes: Classes of objects.
        width: Of the ShuffleNetV2: 0.5, 1, 1.5 or 2.
        channels: Of the pyramid and the heads.
        bins: Values a distance's distribution is over; as the head's.
        input_channels: Channels of the image.

    Raises:
        SettingError: ShuffleNetV2 has no such width.

    Shape:
        (N, input_channels, H, W), H and W multiples of 32, to (N, places, classes + 4 · bins) with
        places = H · W · (1/64 + 1/256 + 1/1024).

    Example:
        >>> NanoDetLike(classes=4)(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 84, 36])
    """

    def __init__(
        self, classes: int = 80, *, width: float = 1.0, channels: int = 96, bins: int = 8, input_channels: int = 3
    ) -> None:
        super().__init__()
        backbone = ShuffleNetV2(width=width, input_channels=input_channels)
        units = list(backbone.get_submodule("units").children())
        self.stem = nn.Sequential(backbone.get_submodule("stem"), backbone.get_submodule("stem_pool"))
        self.stages = nn.ModuleList()
        for repeats in REPEATS:
            self.stages.append(nn.Sequential(*units[:repeats]))
            units = units[repeats:]
        *stage_channels, _ = CHANNELS[width]
        self.lateral = nn.ModuleList(
            ConvNormActivation(one, channels, 1, activation=leaky_relu) for one in stage_channels
        )
        self.heads = nn.ModuleList(
            nn.Sequential(
                DepthwiseSeparable(channels, channels, activation=leaky_relu),
                DepthwiseSeparable(channels, channels, activation=leaky_relu),
                nn.Conv2d(channels, classes + 4 * bins, 1),
            )
            for _ in stage_channels
        )
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the raw scores of all places."""
        x = self.stem(x)
        maps = []
        for stage, lateral in zip(self.stages, self.lateral, strict=True):
            x = stage(x)
            maps.append(lateral(x))
        for finer in (1, 0):
            maps[finer] = maps[finer] + functional.interpolate(maps[finer + 1], scale_factor=2.0)
        for coarser in (1, 2):
            maps[coarser] = maps[coarser] + functional.avg_pool2d(maps[coarser - 1], 2)
        raw = [head(one).flatten(2).transpose(1, 2) for head, one in zip(self.heads, maps, strict=True)]
        return torch.cat(raw, 1)
