"""ResNet-18/34/50/101 (He et al. 2015, arXiv:1512.03385), ResNeXt-50 32x4d (Xie et al. 2016, arXiv:1611.05431).

Idea of ResNet: blocks learn what to add to their input. Idea of ResNeXt: split the bottleneck's 3x3 into G = 32 groups
and give it twice the channels, more paths for the same cost.

Cost of a bottleneck with C in and out, B inside, G groups: H·W·(2·C·B + 9·B²/G) MACs. ResNet has B = C/4, G = 1:
17/16 · C² per pixel; ResNeXt 32x4d has B = C/2, G = 32: 1 + 9/128 = 1.07 · C², the same. Each stage quarters the pixels
and quadruples C², so the four stages cost alike per block.

Form v1.5 puts a block's stride on the 3x3 convolution (Goyal et al. 2017, arXiv:1706.02677): 6 % more MACs than v1,
which puts it on the first 1x1 and never sees three quarters of the pixels. Form D (He et al. 2018, arXiv:1812.01187)
also averages before the shortcut's strided 1x1 and has three 3x3 convolutions for a stem: 6 % more MACs again.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.layers.basic_block import BasicBlock
from lissome.layers.bottleneck import Bottleneck
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.initialization import initialize

# Table 1 of the paper: blocks in each of the four stages; 50 layers and more use bottlenecks.
STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


class ResNet(nn.Module):
    """ResNet and ResNeXt.

    Args:
        depth: Layers with weights: 18, 34, 50 or 101.
        groups: Groups of the bottleneck's 3x3 convolution; ResNeXt-50 32x4d has 32.
        group_channels: Channels of one group in the first stage (doubles with each stage); with 1 group it is 64.
        form: Of networks with bottlenecks: the stride is on the 3x3 ("v1.5") or on the first 1x1 ("v1"); "D" is v1.5
            with a stem of three 3x3 convolutions and pooled shortcuts.
        classes: Number of outputs.
        input_channels: Channels of the image.
        small_input: A 3x3 stem of stride 1 and no pooling, for images of about 32x32.

    Raises:
        SettingError: There is no such depth, or groups or form D are asked of a network without bottlenecks.

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in ResNet(depth=18).parameters())
        11689512
    """

    def __init__(
        self,
        *,
        depth: int,
        groups: int = 1,
        group_channels: int = 64,
        form: Literal["v1", "v1.5", "D"] = "v1.5",
        classes: int = 1000,
        input_channels: int = 3,
        small_input: bool = False,
    ) -> None:
        super().__init__()
        if depth not in STAGES:
            raise SettingError(f"depth is {depth}", where="ResNet", fix=f"choose one of {', '.join(map(str, STAGES))}")
        if form not in ("v1", "v1.5", "D"):
            raise SettingError(f"form is {form!r}", where="ResNet", fix="choose v1, v1.5 or D")
        if (groups > 1 or form == "D") and depth < 50:
            raise SettingError(
                f"depth {depth} has no bottlenecks for groups or form D", where="ResNet", fix="choose 50 or 101"
            )

        def block(in_channels: int, stage: int, stride: int) -> nn.Module:
            if depth < 50:
                return BasicBlock(in_channels, 64 * 2**stage, stride=stride)
            inner = groups * group_channels * 2**stage
            return Bottleneck(
                in_channels,
                (inner, inner, 256 * 2**stage),
                stride=stride,
                strided="first" if form == "v1" else "second",
                groups=groups,
                projection="pooled" if form == "D" else "1x1",
            )

        deep = form == "D" and not small_input
        self.stem = deep_stem(input_channels) if deep else resnet_stem(input_channels, small_input=small_input)
        self.stages = residual_stages(STAGES[depth], block, (64 if depth < 50 else 256))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(512 if depth < 50 else 2048, classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.classifier(self.flatten(self.pool(self.stages(self.stem(x)))))
        return logits


def resnet_stem(input_channels: int, *, small_input: bool) -> nn.Sequential:
    """Return what comes before the blocks: 7x7 of stride 2 and pooling, or one 3x3 for small images; 64 channels."""
    if small_input:
        return nn.Sequential(ConvNormActivation(input_channels, 64, 3))
    return nn.Sequential(
        ConvNormActivation(input_channels, 64, 7, stride=2), nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
    )


def deep_stem(input_channels: int) -> nn.Sequential:
    """Return form D's stem: three 3x3 convolutions, the first of stride 2, and pooling; 64 channels.

    Source:
        He et al. 2018, arXiv:1812.01187, Section 4.2 and Figure 2 (b); after Szegedy et al. 2015, arXiv:1512.00567.
    """
    return nn.Sequential(
        ConvNormActivation(input_channels, 32, 3, stride=2),
        ConvNormActivation(32, 32, 3),
        ConvNormActivation(32, 64, 3),
        nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    )


def residual_stages(
    repeats: tuple[int, ...],
    block: Callable[[int, int, int], nn.Module],
    first_channels: int,
    *,
    stem_channels: int = 64,
) -> nn.Sequential:
    """Return stages of blocks; each stage after the first starts with stride 2 and has twice the channels.

    Args:
        repeats: Blocks in each stage.
        block: Builds a block from (channels in, stage from 0, stride).
        first_channels: Channels that leave the first stage.
        stem_channels: Channels that enter it.
    """
    stages: OrderedDict[str, nn.Module] = OrderedDict()
    channels = stem_channels
    for stage, count in enumerate(repeats):
        blocks: list[nn.Module] = []
        for index in range(count):
            blocks.append(block(channels, stage, 2 if stage and index == 0 else 1))
            channels = first_channels * 2**stage
        stages[f"stage{stage + 1}"] = nn.Sequential(*blocks)
    return nn.Sequential(stages)
