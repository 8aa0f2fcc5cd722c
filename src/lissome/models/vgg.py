"""VGG-11/13/16/19 (Simonyan and Zisserman 2014, arXiv:1409.1556), with or without batch normalisation.

Idea: nothing but 3x3 convolutions; two of them see 5x5, three see 7x7, with more activations and fewer weights
(3 · 9 · C² = 27 · C² against 49 · C²).

Cost of a layer: 9·H·W·C·C' MACs. Each pooling quarters the pixels and doubling the channels quadruples the work per
pixel, so stages cost alike; the first linear layer, 7·7·512·4096 = 102.8 M weights, holds 74 % of VGG-16.
"""

from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.layers.initialization import initialize
from lissome.layers.width import scaled_channels

# Table 1 of the paper, columns A, B, D, E: convolutions in each of the five stages.
STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
CHANNELS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """VGG with its three linear layers.

    Args:
        depth: Layers with weights: 11, 13, 16 or 19.
        normalized: Batch normalisation after each convolution.
        classes: Number of outputs.
        input_channels: Channels of the image.
        small_input: The first linear layer reads 1x1 instead of 7x7 pixels, for images of about 32x32.
        dropout: Share of features dropped after the first two linear layers in training, [0, 1).

    Raises:
        SettingError: There is no such depth.

    Shape:
        (N, input_channels, 224, 224), or (N, input_channels, 32, 32) with `small_input`, to (N, classes).

    Example:
        >>> import torch
        >>> with torch.device("meta"):
        ...     sum(p.numel() for p in VGG(depth=16).parameters())
        138357544
    """

    def __init__(
        self,
        *,
        depth: int,
        normalized: bool = False,
        classes: int = 1000,
        input_channels: int = 3,
        small_input: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.features = vgg_features(depth, normalized=normalized, input_channels=input_channels)
        side = 1 if small_input else 7
        self.pool = nn.AdaptiveAvgPool2d(side)
        self.classifier = nn.Sequential(
            nn.Linear(512 * side * side, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, classes),
        )
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.classifier(self.pool(self.features(x)).flatten(1))
        return logits


def vgg_features(
    depth: int, *, normalized: bool, input_channels: int, bias: bool = True, width: float = 1.0
) -> nn.Sequential:
    """Return the convolutional part: stages of 3x3 convolutions, each stage closed by 2x2 max pooling.

    Args:
        depth: 11, 13, 16 or 19.
        normalized: Batch normalisation after each convolution.
        input_channels: Channels of the image.
        bias: Give the convolutions a bias, as the published weights have even before batch normalisation.
        width: Multiplier of the channel counts, > 0.

    Raises:
        SettingError: There is no such depth.
    """
    if depth not in STAGES:
        raise SettingError(f"depth is {depth}", where="VGG", fix="choose 11, 13, 16 or 19")
    layers: list[nn.Module] = []
    channels = input_channels
    for convolutions, full_width in zip(STAGES[depth], CHANNELS, strict=True):
        out_channels = scaled_channels(full_width, width)
        for _ in range(convolutions):
            layers.append(nn.Conv2d(channels, out_channels, 3, padding=1, bias=bias))
            if normalized:
                layers.append(nn.BatchNorm2d(out_channels))
            layers.append(nn.ReLU())
            channels = out_channels
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)
