"""ShuffleNetV2 (Ma et al. 2018, arXiv:1807.11164): designed for speed measured, not for MACs.

Idea: four rules for memory traffic and parallelism. G1: equal channels in and out of a 1x1 move the fewest bytes for
its MACs. G2: groups cost traffic. G3: many small branches cost parallelism. G4: element-wise operators are not free.
So: split the channels; one half passes by untouched, the other goes through 1x1, depthwise 3x3, 1x1 of equal width;
concatenate and shuffle. Nothing is grouped, nothing is added.

Cost of a unit with c channels, h = c / 2 in the branch: H·W·(2·h² + 9·h) MACs. For B MACs, the 1x1 convolutions move
at least 2·√(H·W·B) + B / (H·W) numbers (Equation 1).

The authors' code moves the shuffle: each unit takes even and odd channels apart where the paper takes halves of
shuffled ones. The cost is the same, but weights trained in one form are wrong in the other.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.layers.channel_shuffle import ChannelShuffle, channel_shuffle, channel_split
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.initialization import initialize
from lissome.layers.squeeze_excitation import SqueezeExcitation

# Table 5 of the paper: channels of stages 2, 3, 4 and of the last 1x1, by width.
CHANNELS = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}
REPEATS = (4, 8, 4)


class ShuffleUnitV2(nn.Module):
    """Split, transform one half, concatenate, shuffle; at stride 2 both halves see all channels.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output, even; equal to `in_channels` at stride 1.
        stride: 1 splits the channels, 2 halves the resolution.
        attention: Squeeze-and-excitation to a quarter at the end of the transforming branch.
        residual: Add the branch's input to its output; stride 1 only, elsewhere it does nothing.
        authors_form: Split into even and odd channels and do not shuffle, instead of halves and a shuffle at the end.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉).

    Source:
        Ma et al. 2018, arXiv:1807.11164, Figure 3 (c), (d); attention and residual: the appendix figure of its larger
        networks.

    Example:
        >>> ShuffleUnitV2(24, 48, stride=2)(torch.zeros(1, 24, 8, 8)).shape
        torch.Size([1, 48, 4, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        attention: bool = False,
        residual: bool = False,
        authors_form: bool = False,
    ) -> None:
        super().__init__()
        half = out_channels // 2
        entering = half if stride == 1 else in_channels
        self.branch = nn.Sequential(
            ConvNormActivation(entering, half, 1),
            ConvNormActivation(half, half, 3, stride=stride, groups=half, activation=None),
            ConvNormActivation(half, half, 1),
        )
        if attention:
            self.branch.append(SqueezeExcitation(half, max(1, half // 4)))
        self.projection = None
        if stride > 1:
            self.projection = nn.Sequential(
                ConvNormActivation(entering, entering, 3, stride=stride, groups=entering, activation=None),
                ConvNormActivation(entering, half, 1),
            )
        self.residual = residual and stride == 1
        self.splits_by_parity = authors_form
        self.shuffle = nn.Identity() if authors_form else ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the shuffled concatenation of both halves."""
        if self.projection is None:
            # Shuffled with C / 2 groups of two, the even channels come first, then the odd ones.
            ordered = channel_shuffle(x, x.shape[1] // 2) if self.splits_by_parity else x
            passing, entering = channel_split(ordered)
        else:
            passing, entering = self.projection(x), x
        changed = self.branch(entering)
        if self.residual:
            changed = changed + entering
        y: Tensor = self.shuffle(torch.cat([passing, changed], 1))
        return y


class ShuffleNetV2(nn.Sequential):
    """ShuffleNetV2 by width, with the optional parts of its unit.

    Args:
        classes: Number of outputs.
        width: 0.5, 1, 1.5 or 2.
        input_channels: Channels of the image.
        small_input: The stem keeps the resolution (stride 1, no pooling), for images of about 32x32.
        attention: Squeeze-and-excitation in every unit.
        residual: A sum around the branch of every unit of stride 1.
        authors_form: Split as the authors' code does, which weights trained by it need.

    Raises:
        SettingError: The paper has no such width.

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in ShuffleNetV2(width=0.5).parameters())
        1366792
    """

    def __init__(
        self,
        *,
        classes: int = 1000,
        width: float = 1.0,
        input_channels: int = 3,
        small_input: bool = False,
        attention: bool = False,
        residual: bool = False,
        authors_form: bool = False,
    ) -> None:
        if width not in CHANNELS:
            raise SettingError(f"width is {width}", where="ShuffleNetV2", fix="choose 0.5, 1.0, 1.5 or 2.0")
        *stage_channels, features = CHANNELS[width]
        channels = 24
        stem = ConvNormActivation(input_channels, channels, 3, stride=1 if small_input else 2)
        units: list[nn.Module] = []
        for out_channels, repeats in zip(stage_channels, REPEATS, strict=True):
            for repeat in range(repeats):
                stride = 1 if repeat else 2
                units.append(
                    ShuffleUnitV2(
                        channels,
                        out_channels,
                        stride=stride,
                        attention=attention,
                        residual=residual,
                        authors_form=authors_form,
                    )
                )
                channels = out_channels
        super().__init__(
            OrderedDict(
                stem=stem,
                stem_pool=nn.Identity() if small_input else nn.MaxPool2d(3, 2, padding=1),
                units=nn.Sequential(*units),
                head=ConvNormActivation(channels, features, 1),
                pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                classifier=nn.Linear(features, classes),
            )
        )
        initialize(self)
