"""MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381): inverted residuals with linear bottlenecks.

Idea: keep few channels between blocks, widen them t = 6 times inside, where the cheap depthwise filter works, and
leave the narrow end without activation.

Cost of a block with C in, C' out, E = t·C: H·W·E·(C + (9 + C') / stride²) MACs. The two 1x1 convolutions take nearly
all of it; the depthwise 3x3 is a share of 9 / (C + C' + 9). Cost grows with width².
"""

from torch import Tensor, nn

from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.initialization import initialize
from lissome.layers.inverted_residual import InvertedResidual
from lissome.layers.width import scaled_channels

# Table 2 of the paper: expansion t, channels c, repeats n, stride s of the first.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class MobileNetV2(nn.Module):
    """MobileNetV2 with its width multiplier.

    Args:
        classes: Number of outputs.
        width: Multiplier of the channels, > 0; the paper uses 0.35 to 1.4. The last 1280 channels shrink for none.
        input_channels: Channels of the image.
        small_input: Stem and second stage keep the resolution, for images of about 32x32.
        dropout: Share of features dropped before the classifier in training, [0, 1).

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in MobileNetV2().parameters())
        3504872
    """

    def __init__(
        self,
        *,
        classes: int = 1000,
        width: float = 1.0,
        input_channels: int = 3,
        small_input: bool = False,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        channels = scaled_channels(32, width)
        self.stem = ConvNormActivation(input_channels, channels, 3, stride=1 if small_input else 2, activation=nn.ReLU6)
        blocks: list[nn.Module] = []
        for stage, (expansion, base, repeats, stage_stride) in enumerate(STAGES):
            out_channels = scaled_channels(base, width)
            for repeat in range(repeats):
                kept = repeat > 0 or (small_input and stage == 1)
                stride = 1 if kept else stage_stride
                blocks.append(InvertedResidual(channels, out_channels, channels * expansion, stride=stride))
                channels = out_channels
        self.blocks = nn.Sequential(*blocks)
        features = scaled_channels(1280, max(1.0, width))
        self.head = ConvNormActivation(channels, features, 1, activation=nn.ReLU6)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(features, classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        pooled = self.pool(self.head(self.blocks(self.stem(x))))
        logits: Tensor = self.classifier(self.dropout(self.flatten(pooled)))
        return logits
