"""Inception v1, GoogLeNet (Szegedy et al. 2014, arXiv:1409.4842), without the auxiliary classifiers.

Idea: look at each place through 1x1, 3x3 and 5x5 windows and a pooling at once, and make that affordable by a 1x1
reduction in front of each wide window.

Cost of a wide branch with C in, R reduced, C' out: H·W·(C·R + K²·R·C') MACs instead of H·W·K²·C·C'; a global mean
instead of linear layers leaves 6.6 M parameters against VGG-16's 138 M.

As in the weights that are in use everywhere, each convolution has batch normalisation and the "5x5" branch is a 3x3;
`large_kernel=5` gives the paper's window.
"""

from typing import Literal

from torch import Tensor, nn

from lissome.layers.batch_norm import set_batch_norm
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.inception import ParallelBranches, convolution_chain, pooled_projection
from lissome.layers.initialization import initialize

# Table 1 of the paper: 1x1 | reduced, 3x3 | reduced, 5x5 | projection after pooling. None: halve the side by pooling.
MODULES = (
    (64, (96, 128), (16, 32), 32),
    (128, (128, 192), (32, 96), 64),
    None,
    (192, (96, 208), (16, 48), 64),
    (160, (112, 224), (24, 64), 64),
    (128, (128, 256), (24, 64), 64),
    (112, (144, 288), (32, 64), 64),
    (256, (160, 320), (32, 128), 128),
    None,
    (256, (160, 320), (32, 128), 128),
    (384, (192, 384), (48, 128), 128),
)


class GoogLeNet(nn.Module):
    """GoogLeNet with batch normalisation.

    Args:
        classes: Number of outputs.
        input_channels: Channels of the image.
        small_input: The stem keeps the resolution, for images of about 32x32.
        large_kernel: Kernel of the widest branch: 3 (the weights in use) or 5 (the paper).
        dropout: Share of features dropped before the classifier in training, [0, 1).

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in GoogLeNet().parameters())
        6624904
    """

    def __init__(
        self,
        *,
        classes: int = 1000,
        input_channels: int = 3,
        small_input: bool = False,
        large_kernel: Literal[3, 5] = 3,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.stem = inception_stem(input_channels, small_input=small_input)
        modules: list[nn.Module] = []
        channels = 192
        for index, module in enumerate(MODULES):
            if module is None:
                # The published weights pool the last time with 2x2, the paper with 3x3 throughout.
                modules.append(nn.MaxPool2d(3 if index == 2 else 2, 2, ceil_mode=True))
                continue
            single, middle, large, pooled = module
            modules.append(
                ParallelBranches(
                    ConvNormActivation(channels, single, 1),
                    convolution_chain(channels, middle, (1, 3)),
                    convolution_chain(channels, large, (1, large_kernel)),
                    pooled_projection(channels, pooled, nn.MaxPool2d(3, 1, 1, ceil_mode=True)),
                )
            )
            channels = single + middle[1] + large[1] + pooled
        self.blocks = nn.Sequential(*modules)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, classes)
        initialize(self)
        set_batch_norm(self, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        pooled = self.pool(self.blocks(self.stem(x)))
        logits: Tensor = self.classifier(self.dropout(self.flatten(pooled)))
        return logits


def inception_stem(input_channels: int, *, small_input: bool) -> nn.Sequential:
    """Return the stem of Inception v1 and v2: an eighth of the side, or all of it for small images; 192 channels."""
    kernel_size, stride = (3, 1) if small_input else (7, 2)
    layers: list[nn.Module] = [ConvNormActivation(input_channels, 64, kernel_size, stride=stride)]
    if not small_input:
        layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
    layers += [ConvNormActivation(64, 64, 1), ConvNormActivation(64, 192, 3)]
    if not small_input:
        layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
    return nn.Sequential(*layers)
