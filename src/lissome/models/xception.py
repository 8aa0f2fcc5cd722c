"""Xception (Chollet 2016, arXiv:1610.02357): Inception taken to its end.

Idea: if an Inception module treats channels and space nearly apart, treat them wholly apart: depthwise-separable
convolutions throughout, with residual connections; without an activation between the two halves, which the paper
measured to be better.

Cost of a separable layer: H·W·C·(9 + C') MACs, nearly all in the 1x1. The 24 layers of the middle flow, 728 channels
at 19x19 pixels, take 24 · 361 · 728 · 737 = 4.6 of the 8.4 G.
"""

from typing import Literal

from torch import Tensor, nn

from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.depthwise_separable import DepthwiseSeparable
from lissome.layers.initialization import initialize


class XceptionBlock(nn.Module):
    """ReLU and separable convolution, repeated, with a pooling at the end where the side is halved, and a skip.

    Args:
        in_channels: Channels of the input.
        channels: Channels after each separable convolution.
        stride: 2 ends with max pooling of stride 2; the skip is a 1x1 convolution where the shape changes.
        activated: Start with a ReLU; the first block does not, because its input is activated.

    Shape:
        (N, in_channels, H, W) to (N, channels[-1], ⌈H / stride⌉, ⌈W / stride⌉).

    Source:
        Chollet 2016, arXiv:1610.02357, Figure 5.

    Example:
        >>> import torch
        >>> XceptionBlock(8, (16, 16), stride=2)(torch.zeros(1, 8, 9, 9)).shape
        torch.Size([1, 16, 5, 5])
    """

    def __init__(self, in_channels: int, channels: tuple[int, ...], *, stride: int = 1, activated: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels[-1]:
            self.shortcut = ConvNormActivation(in_channels, channels[-1], 1, stride=stride, activation=None)
        for index, out_channels in enumerate(channels):
            if index or activated:
                layers.append(nn.ReLU())
            layers.append(DepthwiseSeparable(in_channels, out_channels, activation=None, plain_depthwise=True))
            in_channels = out_channels
        if stride != 1:
            layers.append(nn.MaxPool2d(3, stride, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of both paths."""
        result: Tensor = self.layers(x) + self.shortcut(x)
        return result


class Xception(nn.Module):
    """Xception; its own image size is 299x299.

    Args:
        classes: Number of outputs.
        input_channels: Channels of the image.
        small_input: Stem and first block keep the resolution, for images of about 32x32.
        dropout: Share of features dropped before the classifier in training, [0, 1).

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> import torch
        >>> with torch.device("meta"):
        ...     sum(p.numel() for p in Xception().parameters())
        22855952
    """

    def __init__(
        self, *, classes: int = 1000, input_channels: int = 3, small_input: bool = False, dropout: float = 0.5
    ) -> None:
        super().__init__()
        padding: Literal["same", "valid"] = "same" if small_input else "valid"
        self.stem = nn.Sequential(
            ConvNormActivation(input_channels, 32, 3, stride=1 if small_input else 2, padding=padding),
            ConvNormActivation(32, 64, 3, padding=padding),
        )
        self.blocks = nn.Sequential(
            XceptionBlock(64, (128, 128), stride=1 if small_input else 2, activated=False),
            XceptionBlock(128, (256, 256), stride=2),
            XceptionBlock(256, (728, 728), stride=2),
            *(XceptionBlock(728, (728, 728, 728)) for _ in range(8)),
            XceptionBlock(728, (728, 1024), stride=2),
        )
        self.tail = nn.Sequential(
            DepthwiseSeparable(1024, 1536, plain_depthwise=True), DepthwiseSeparable(1536, 2048, plain_depthwise=True)
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(2048, classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        pooled = self.pool(self.tail(self.blocks(self.stem(x))))
        logits: Tensor = self.classifier(self.dropout(self.flatten(pooled)))
        return logits
