"""CIFAR ResNet-164 with bottlenecks, pre-activation (He et al. 2016, arXiv:1603.05027) or post-activation.

Idea of pre-activation: norm and ReLU come before each convolution, so that the skip is a pure sum from the first block
to the last and 1000 layers still train.

Cost: depth = 9n + 2. Three stages of n bottlenecks with 64, 128, 256 channels at 32², 16², 8² pixels;
H·W·17/16·C² MACs a bottleneck, C²·H·W the same in each stage: MACs ≈ 3n · 17/16 · 64² · 32². Norms cannot be folded
into a convolution that the sum reads, so they stay at run time.

The form of network slimming (Liu et al. 2017, arXiv:1708.06519) adds a channel mask in front of each block's first
convolution and of the classifier: 8,080 numbers that let a block read fewer channels than the skip carries.
"""

from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.layers.bottleneck import Bottleneck
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.initialization import initialize
from lissome.layers.pre_activation import PreActivation, PreActivationBottleneck
from lissome.models.resnet import residual_stages


class PreResNetCifar(nn.Module):
    """Pre-activation ResNet of depth 9n + 2 for 32x32 images.

    Args:
        depth: 9n + 2: 164 in the papers.
        masked: The form of network slimming, with a `ChannelMask` wherever the skip is read.
        classes: Number of outputs.
        input_channels: Channels of the image.

    Raises:
        SettingError: `depth` is not 9n + 2.

    Shape:
        (N, input_channels, 32, 32) to (N, classes); other sizes work too.

    Example:
        >>> sum(p.numel() for p in PreResNetCifar(depth=164, masked=True).parameters())
        1711338
    """

    def __init__(self, *, depth: int = 164, masked: bool = False, classes: int = 10, input_channels: int = 3) -> None:
        super().__init__()

        def block(in_channels: int, stage: int, stride: int) -> nn.Module:
            return PreActivationBottleneck(in_channels, 64 * 2**stage, stride=stride, masked=masked)

        self.stem = nn.Conv2d(input_channels, 16, 3, padding=1, bias=False)
        self.stages = residual_stages((_blocks(depth),) * 3, block, 64, stem_channels=16)
        self.after = PreActivation(256, masked=masked)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(256, classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.classifier(self.flatten(self.pool(self.after(self.stages(self.stem(x))))))
        return logits


class BottleneckResNetCifar(nn.Module):
    """Post-activation ResNet with bottlenecks, depth 9n + 2, for 32x32 images.

    Args:
        depth: 9n + 2: 164 in the paper.
        classes: Number of outputs.
        input_channels: Channels of the image.

    Raises:
        SettingError: `depth` is not 9n + 2.

    Shape:
        (N, input_channels, 32, 32) to (N, classes); other sizes work too.

    Example:
        >>> sum(p.numel() for p in BottleneckResNetCifar(depth=164).parameters())
        1704154
    """

    def __init__(self, *, depth: int = 164, classes: int = 10, input_channels: int = 3) -> None:
        super().__init__()

        def block(in_channels: int, stage: int, stride: int) -> nn.Module:
            inner = 16 * 2**stage
            return Bottleneck(in_channels, (inner, inner, 4 * inner), stride=stride)

        self.stem = ConvNormActivation(input_channels, 16, 3)
        self.stages = residual_stages((_blocks(depth),) * 3, block, 64, stem_channels=16)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(256, classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.classifier(self.flatten(self.pool(self.stages(self.stem(x)))))
        return logits


def _blocks(depth: int) -> int:
    if depth < 11 or depth % 9 != 2:
        raise SettingError(f"depth is {depth}", where="ResNet with bottlenecks", fix="choose 9n + 2, as 29 or 164")
    return (depth - 2) // 9
