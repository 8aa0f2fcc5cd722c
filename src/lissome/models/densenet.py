"""DenseNet-121 and CIFAR DenseNet-40 (Huang et al. 2016, arXiv:1608.06993).

Idea: each layer reads all features computed before it in its block and adds only k new ones, so nothing is learned
twice.

Cost: layer l of a block that C channels enter reads C + l·k: H·W·(4k·(C + l·k) + 36·k²) MACs with the 1x1 in front
("B"), H·W·9·k·(C + l·k) without. A transition with compression θ ("C") costs H·W·θ·C². Few parameters and MACs, but
bytes moved grow with the square of the depth of a block.
"""

from collections import OrderedDict

from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.dense_block import DenseBlock, DenseTransition
from lissome.layers.initialization import initialize
from lissome.layers.pre_activation import PreActivation


class DenseNet(nn.Module):
    """DenseNet-121 by default: bottlenecks and compression 1/2.

    Args:
        layers: Dense layers in each block; (6, 12, 24, 16) is DenseNet-121.
        growth: k, channels each layer adds.
        classes: Number of outputs.
        input_channels: Channels of the image.
        small_input: A 3x3 stem of stride 1 and no pooling, for images of about 32x32.

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in DenseNet().parameters())
        7978856
    """

    def __init__(
        self,
        *,
        layers: tuple[int, ...] = (6, 12, 24, 16),
        growth: int = 32,
        classes: int = 1000,
        input_channels: int = 3,
        small_input: bool = False,
    ) -> None:
        super().__init__()
        channels = 2 * growth
        if small_input:
            self.stem = nn.Sequential(ConvNormActivation(input_channels, channels, 3))
        else:
            self.stem = nn.Sequential(ConvNormActivation(input_channels, channels, 7, stride=2), nn.MaxPool2d(3, 2, 1))
        self.blocks, channels = dense_blocks(channels, layers, growth=growth, compression=0.5, bottleneck=True)
        self.after = PreActivation(channels)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.classifier(self.flatten(self.pool(self.after(self.blocks(self.stem(x))))))
        return logits


class DenseNetCifar(nn.Module):
    """DenseNet for 32x32 images: three blocks, depth 3n + 4, or 6n + 4 with bottlenecks.

    Args:
        depth: 40 in the paper.
        growth: k, channels each layer adds.
        compression: Share of channels a transition keeps, (0, 1].
        bottleneck: A 1x1 convolution to 4k channels before each 3x3.
        masked: The form of network slimming: a `ChannelMask` in front of each layer's first convolution.
        classes: Number of outputs.
        input_channels: Channels of the image.

    Raises:
        SettingError: `depth` does not fit.

    Shape:
        (N, input_channels, 32, 32) to (N, classes); other sizes work too.

    Example:
        >>> sum(p.numel() for p in DenseNetCifar(compression=1.0, masked=True).parameters())
        1068658
    """

    def __init__(
        self,
        *,
        depth: int = 40,
        growth: int = 12,
        compression: float = 0.5,
        bottleneck: bool = False,
        masked: bool = False,
        classes: int = 10,
        input_channels: int = 3,
    ) -> None:
        super().__init__()
        step = 6 if bottleneck else 3
        if depth <= 4 or (depth - 4) % step:
            raise SettingError(f"depth is {depth}", where="DenseNetCifar", fix=f"choose {step}n + 4, as 40 or 100")
        layers = ((depth - 4) // step,) * 3
        channels = 2 * growth
        self.stem = nn.Conv2d(input_channels, channels, 3, padding=1, bias=False)
        self.blocks, channels = dense_blocks(
            channels, layers, growth=growth, compression=compression, bottleneck=bottleneck, masked=masked
        )
        self.after = PreActivation(channels, masked=masked)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.classifier(self.flatten(self.pool(self.after(self.blocks(self.stem(x))))))
        return logits


def dense_blocks(
    channels: int, layers: tuple[int, ...], *, growth: int, compression: float, bottleneck: bool, masked: bool = False
) -> tuple[nn.Sequential, int]:
    """Return dense blocks with transitions between them, and the channels that leave the last."""
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    for index, count in enumerate(layers, start=1):
        block = DenseBlock(channels, count, growth, bottleneck=bottleneck, masked=masked)
        modules[f"block{index}"] = block
        channels = block.out_channels
        if index < len(layers):
            kept = int(channels * compression)
            modules[f"transition{index}"] = DenseTransition(channels, kept, masked=masked)
            channels = kept
    return nn.Sequential(modules), channels
