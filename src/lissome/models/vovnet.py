"""VoVNet (Lee et al. 2019, arXiv:1904.09730): DenseNet's variety of receptive fields without its memory traffic.

Idea: concatenate all layers of a module once, at its end (one-shot aggregation), so that every 3x3 convolution has
equally many channels in and out, which moves the fewest bytes and keeps the processor busy.

Cost of a module with C in, five layers of g channels, C' out: H·W·(9·C·g + 36·g² + (C + 5·g)·C') MACs. The
paper's detectors run twice as fast on it as on DenseNet, at 1.6 to 4.1 times less energy (abstract).

VoVNetV2 (Lee and Park 2020, arXiv:1911.06667) adds a sum around each module of equal width, and effective
squeeze-and-excitation behind the last module of each stage.
"""

from collections import OrderedDict

from torch import nn

from lissome.core.errors import SettingError
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.effective_squeeze_excitation import EffectiveSqueezeExcitation
from lissome.layers.initialization import initialize
from lissome.layers.one_shot_aggregation import OneShotAggregation
from lissome.layers.width import scaled_channels

# Table 1 of the paper: channels of the 3x3 convolutions and of the output of each stage; modules by depth.
STAGES = ((128, 256), (160, 512), (192, 768), (224, 1024))
MODULES = {39: (1, 1, 2, 2), 57: (1, 1, 4, 3)}


class VoVNet(nn.Sequential):
    """VoVNet-39 or -57, or their second version.

    Args:
        depth: 39 or 57.
        version: 1, or 2 with residual sums and attention.
        classes: Number of outputs.
        width: Multiplier of the channels, > 0.
        input_channels: Channels of the image.
        small_input: The stem keeps the resolution, for images of about 32x32.

    Raises:
        SettingError: No such depth or version.

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in VoVNet(depth=39, width=0.25).parameters())
        1609608
    """

    def __init__(
        self,
        *,
        depth: int = 39,
        version: int = 1,
        classes: int = 1000,
        width: float = 1.0,
        input_channels: int = 3,
        small_input: bool = False,
    ) -> None:
        if depth not in MODULES or version not in {1, 2}:
            raise SettingError(
                f"depth is {depth}, version {version}", where="VoVNet", fix="choose depth 39 or 57, version 1 or 2"
            )
        first, channels = scaled_channels(64, width), scaled_channels(128, width)
        stem = nn.Sequential(
            ConvNormActivation(input_channels, first, 3, stride=1 if small_input else 2),
            ConvNormActivation(first, first, 3),
            ConvNormActivation(first, channels, 3, stride=1 if small_input else 2),
        )
        stages: list[nn.Module] = []
        for stage, (growth, base) in enumerate(STAGES):
            layers: list[nn.Module] = [nn.MaxPool2d(3, 2, ceil_mode=True)] if stage else []
            out_channels, modules = scaled_channels(base, width), MODULES[depth][stage]
            for module in range(modules):
                attends = version == 2 and module == modules - 1
                layers.append(
                    OneShotAggregation(
                        channels,
                        scaled_channels(growth, width),
                        out_channels,
                        attention=EffectiveSqueezeExcitation(out_channels) if attends else None,
                        residual=version == 2 and channels == out_channels,
                    )
                )
                channels = out_channels
            stages.append(nn.Sequential(*layers))
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
