"""CSPResNet-50, CSPResNeXt-50 (Wang et al. 2019, arXiv:1911.11929): cross-stage partial connections in ResNets.

Idea: each stage's bottleneck blocks work on half of the channels; the other half joins at the end of the stage.

Cost of a bottleneck with c channels and m = c / 2 inside: H·W·(2·c·m + 9·m²) = 3.25·H·W·c² MACs. Each stage adds three
1x1 convolutions, C·2c + c·c + 2c·c a pixel. With fewer blocks (3, 3, 5, 2) than ResNet-50 (3, 4, 6, 3) it takes 15 %
fewer MACs at a higher accuracy. CSPResNeXt-50 has m = c and 32 groups: 2 + 9 / 32 = 2.28·H·W·c².
"""

from collections import OrderedDict

from torch import Tensor, nn

from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.cross_stage_partial import CrossStagePartial, leaky_relu
from lissome.layers.initialization import initialize
from lissome.layers.width import scaled_channels

# Channels c and number of blocks of each stage.
STAGES = ((128, 3), (256, 3), (512, 5), (1024, 2))


class PartialBottleneck(nn.Module):
    """1x1, 3x3, 1x1 around half of the channels, added to the input and activated.

    Args:
        channels: Channels of input and output, even.
        groups: Groups of the 3x3; with more than one it works on all channels instead of half.

    Shape:
        (N, channels, H, W) to the same.
    """

    def __init__(self, channels: int, *, groups: int = 1) -> None:
        super().__init__()
        middle = channels // 2 if groups == 1 else channels
        self.layers = nn.Sequential(
            ConvNormActivation(channels, middle, 1, activation=leaky_relu),
            ConvNormActivation(middle, middle, 3, groups=groups, activation=leaky_relu),
            ConvNormActivation(middle, channels, 1, activation=None),
        )
        self.activation = leaky_relu()

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated sum of input and layers."""
        y: Tensor = self.activation(x + self.layers(x))
        return y


class CSPResNet50(nn.Sequential):
    """CSPResNet-50 and, with 32 groups, CSPResNeXt-50.

    Args:
        groups: Groups of every 3x3 behind the stem; with more than one a stage returns twice the channels.
        classes: Number of outputs.
        width: Multiplier of the channels, > 0.
        input_channels: Channels of the image.
        small_input: The stem keeps the resolution (3x3, stride 1, no pooling), for images of about 32x32.

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in CSPResNet50(width=0.25).parameters())
        1553272
    """

    def __init__(
        self,
        *,
        groups: int = 1,
        classes: int = 1000,
        width: float = 1.0,
        input_channels: int = 3,
        small_input: bool = False,
    ) -> None:
        channels = scaled_channels(64, width)
        stem = ConvNormActivation(
            input_channels,
            channels,
            3 if small_input else 7,
            stride=1 if small_input else 2,
            activation=leaky_relu,
        )
        stages: list[nn.Module] = []
        for stage, (base, repeats) in enumerate(STAGES):
            layers: OrderedDict[str, nn.Module] = OrderedDict()
            if stage:
                layers["down"] = ConvNormActivation(
                    channels, channels, 3, stride=2, groups=groups, activation=leaky_relu
                )
            inner = scaled_channels(base, width, multiple_of=max(8, groups))
            out_channels = inner if groups == 1 else 2 * inner
            layers["partial"] = CrossStagePartial(
                channels,
                out_channels,
                2 * inner,
                nn.Sequential(*(PartialBottleneck(inner, groups=groups) for _ in range(repeats))),
                block_channels=inner,
                linear_expansion=True,
            )
            stages.append(nn.Sequential(layers))
            channels = out_channels
        super().__init__(
            OrderedDict(
                stem=stem,
                stem_pool=nn.Identity() if small_input else nn.MaxPool2d(3, 2, padding=1),
                stages=nn.Sequential(*stages),
                pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                classifier=nn.Linear(channels, classes),
            )
        )
        initialize(self)
