"""ShuffleNetV1 (Zhang et al. 2017, arXiv:1707.01083): grouped 1x1 convolutions, and a shuffle so that groups talk.

Idea: in small networks the 1x1 convolutions take nearly all MACs. Split into g groups they cost 1/g, and the channels
saved are spent on width: for equal MACs, more groups mean more channels.

Cost of a unit with c channels in and out and m = c / 4 in the middle: H·W·(2·c·m / g + 9·m) MACs, against
H·W·(2·c·m + 9·m²) of a ResNet bottleneck and H·W·(2·c·m + 9·m² / g) of a ResNeXt one (Section 3.2).
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.layers.channel_shuffle import ChannelShuffle
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.initialization import initialize
from lissome.layers.width import scaled_channels

# Table 1 of the paper: channels of stages 2, 3, 4 by groups; all cost about 140 M MACs.
CHANNELS = {1: (144, 288, 576), 2: (200, 400, 800), 3: (240, 480, 960), 4: (272, 544, 1088), 8: (384, 768, 1536)}
REPEATS = (4, 8, 4)


class ShuffleUnit(nn.Module):
    """Grouped 1x1, shuffle, depthwise 3x3, grouped 1x1; added to the input, or at stride 2 concatenated with its mean.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output; a multiple of 4 times the groups, and above `in_channels` at stride 2.
        groups: Groups of the 1x1 convolutions.
        first_groups: Groups of the first 1x1 alone; None is `groups`.
        stride: 1 adds, 2 concatenates.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉).

    Source:
        Zhang et al. 2017, arXiv:1707.01083, Figure 2 (b) and (c).

    Example:
        >>> ShuffleUnit(24, 240, groups=3, first_groups=1, stride=2)(torch.zeros(1, 24, 8, 8)).shape
        torch.Size([1, 240, 4, 4])
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, groups: int, first_groups: int | None = None, stride: int = 1
    ) -> None:
        super().__init__()
        middle = out_channels // 4
        added = out_channels - in_channels if stride > 1 else out_channels
        self.branch = nn.Sequential(
            ConvNormActivation(in_channels, middle, 1, groups=groups if first_groups is None else first_groups),
            ChannelShuffle(groups),
            ConvNormActivation(middle, middle, 3, stride=stride, groups=middle, activation=None),
            ConvNormActivation(middle, added, 1, groups=groups, activation=None),
        )
        self.pool = nn.AvgPool2d(3, stride, padding=1) if stride > 1 else None
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated sum or concatenation of branch and shortcut."""
        joined = x + self.branch(x) if self.pool is None else torch.cat([self.pool(x), self.branch(x)], 1)
        y: Tensor = self.activation(joined)
        return y


class ShuffleNetV1(nn.Sequential):
    """ShuffleNetV1 by groups and width.

    Args:
        groups: 1, 2, 3, 4 or 8.
        classes: Number of outputs.
        width: Multiplier of the channels, > 0; the paper uses 0.25, 0.5, 1, 1.5 and 2.
        input_channels: Channels of the image.
        small_input: The stem keeps the resolution (stride 1, no pooling), for images of about 32x32.

    Raises:
        SettingError: The paper has no channels for `groups`.

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in ShuffleNetV1(groups=3).parameters())
        1865728
    """

    def __init__(
        self,
        *,
        groups: int = 3,
        classes: int = 1000,
        width: float = 1.0,
        input_channels: int = 3,
        small_input: bool = False,
    ) -> None:
        if groups not in CHANNELS:
            raise SettingError(f"groups is {groups}", where="ShuffleNetV1", fix="choose 1, 2, 3, 4 or 8")
        channels = scaled_channels(24, width, multiple_of=groups)
        stem = ConvNormActivation(input_channels, channels, 3, stride=1 if small_input else 2)
        pool = nn.Identity() if small_input else nn.MaxPool2d(3, 2, padding=1)
        units: list[nn.Module] = []
        for stage, repeats in enumerate(REPEATS):
            # The groups must divide the middle channels, a quarter of these.
            out_channels = scaled_channels(CHANNELS[groups][stage], width, multiple_of=4 * groups)
            for repeat in range(repeats):
                # Grouping the few channels of the stem would save little; the paper leaves it out.
                first_groups = 1 if stage == 0 and repeat == 0 else groups
                stride = 1 if repeat else 2
                units.append(
                    ShuffleUnit(channels, out_channels, groups=groups, first_groups=first_groups, stride=stride)
                )
                channels = out_channels
        super().__init__(
            OrderedDict(
                stem=stem,
                stem_pool=pool,
                units=nn.Sequential(*units),
                pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                classifier=nn.Linear(channels, classes),
            )
        )
        initialize(self)
