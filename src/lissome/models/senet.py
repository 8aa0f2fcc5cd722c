"""SE-ResNet-50 and SENet-154 (Hu et al. 2017, arXiv:1709.01507).

Idea: before each sum, weigh the residual's channels by factors computed from their global means, so that features
are chosen by the whole image.

Cost: 2·C²/r MACs a block (r = 16) beside about 17/16 · H·W·C² of the bottleneck: 0.06 % more MACs in SE-ResNet-50, but
2.5 M more parameters (10 %), and one more pass over each feature map.

SENet-154 puts it into ResNeXt-152 64x4d, with half the channels after each first 1x1, a stem of three 3x3 convolutions,
and 3x3 instead of 1x1 projections at the stage changes.
"""

from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.layers.bottleneck import Bottleneck
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.initialization import initialize
from lissome.layers.squeeze_excitation import SqueezeExcitation
from lissome.models.resnet import STAGES, residual_stages, resnet_stem

RATIO = 16


class SEResNet(nn.Module):
    """ResNet with squeeze-and-excitation in each bottleneck.

    Args:
        depth: 50 or 101.
        strided: Convolution of the bottleneck that takes the stride: "second" (v1.5) or "first" (v1, the paper's).
        classes: Number of outputs.
        input_channels: Channels of the image.
        small_input: A 3x3 stem of stride 1 and no pooling, for images of about 32x32.

    Raises:
        SettingError: There is no such depth.

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> import torch
        >>> with torch.device("meta"):
        ...     sum(p.numel() for p in SEResNet(depth=50).parameters())
        28088024
    """

    def __init__(
        self,
        *,
        depth: int = 50,
        strided: Literal["first", "second"] = "second",
        classes: int = 1000,
        input_channels: int = 3,
        small_input: bool = False,
    ) -> None:
        super().__init__()
        if depth not in (50, 101):
            raise SettingError(f"depth is {depth}", where="SEResNet", fix="choose 50 or 101")

        def block(in_channels: int, stage: int, stride: int) -> nn.Module:
            inner, out_channels = 64 * 2**stage, 256 * 2**stage
            attention = SqueezeExcitation(out_channels, out_channels // RATIO)
            return Bottleneck(
                in_channels, (inner, inner, out_channels), stride=stride, strided=strided, attention=attention
            )

        self.stem = resnet_stem(input_channels, small_input=small_input)
        self.stages = residual_stages(STAGES[depth], block, 256)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(2048, classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.classifier(self.flatten(self.pool(self.stages(self.stem(x)))))
        return logits


class SENet154(nn.Module):
    """SENet-154, the network of the paper's Appendix, 115 M parameters.

    Args:
        classes: Number of outputs.
        input_channels: Channels of the image.
        small_input: The stem keeps the resolution, for images of about 32x32.
        dropout: Share of features dropped before the classifier in training, [0, 1).

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> import torch
        >>> with torch.device("meta"):
        ...     sum(p.numel() for p in SENet154().parameters())
        115088984
    """

    def __init__(
        self, *, classes: int = 1000, input_channels: int = 3, small_input: bool = False, dropout: float = 0.2
    ) -> None:
        super().__init__()

        def block(in_channels: int, stage: int, stride: int) -> nn.Module:
            base, out_channels = 64 * 2**stage, 256 * 2**stage
            return Bottleneck(
                in_channels,
                (2 * base, 4 * base, out_channels),
                stride=stride,
                groups=64,
                projection="3x3" if stage else "1x1",
                attention=SqueezeExcitation(out_channels, out_channels // RATIO),
            )

        stem: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=ConvNormActivation(input_channels, 64, 3, stride=1 if small_input else 2),
            conv2=ConvNormActivation(64, 64, 3),
            conv3=ConvNormActivation(64, 128, 3),
        )
        if not small_input:
            stem["pool"] = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.stem = nn.Sequential(stem)
        self.stages = residual_stages((3, 8, 36, 3), block, 256, stem_channels=128)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(2048, classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        pooled = self.pool(self.stages(self.stem(x)))
        logits: Tensor = self.classifier(self.dropout(self.flatten(pooled)))
        return logits
