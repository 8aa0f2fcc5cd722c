"""MLPerf-Tiny's ResNet-8 (Banbury et al. 2021, arXiv:2106.07597): the image classification task of the benchmark.

Idea: the CIFAR ResNet cut to one block a stage, so that it fits a microcontroller.

Cost: stage k has 16·2^k channels at (32 / 2^k)² pixels, hence 2.36 M MACs a full 3x3 convolution in every stage;
12.5 M in all, 78,186 weights.

Built as the published Keras file is: biases in front of the normalisations, "SAME" padding, and a 1x1 shortcut without
normalisation. Images come in as 0 to 255, without any other normalisation.
"""

from collections import OrderedDict

from torch import Tensor, nn

from lissome.layers.initialization import initialize
from lissome.layers.keras_unit import keras_unit
from lissome.layers.width import scaled_channels

CHANNELS = (16, 32, 64)


class KerasBlock(nn.Module):
    """Two 3x3 convolutions and the shortcut around them.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        size: Height and width of the input.
        stride: Stride of the first convolution and of the shortcut.

    Shape:
        (N, in_channels, size, size) to (N, out_channels, ⌈size / stride⌉, ⌈size / stride⌉).
    """

    def __init__(self, in_channels: int, out_channels: int, *, size: int, stride: int) -> None:
        super().__init__()
        self.conv1 = keras_unit(in_channels, out_channels, 3, size=size, stride=stride)
        self.conv2 = keras_unit(out_channels, out_channels, 3, size=-(-size // stride), activation=None)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride)
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated sum of residual and shortcut."""
        y: Tensor = self.activation(self.conv2(self.conv1(x)) + self.shortcut(x))
        return y


class ResNet8(nn.Sequential):
    """ResNet-8 for 32x32 images.

    Args:
        classes: Number of outputs.
        width: Multiplier of the 16, 32, 64 channels, > 0.
        input_channels: Channels of the image.
        input_size: Height and width of the images, for the padding; any size equal to it modulo 4 works alike.

    Shape:
        (N, input_channels, input_size, input_size) to (N, classes).

    Example:
        >>> sum(p.numel() for p in ResNet8().parameters())
        78186
    """

    def __init__(self, *, classes: int = 10, width: float = 1.0, input_channels: int = 3, input_size: int = 32) -> None:
        channels, size = scaled_channels(CHANNELS[0], width), input_size
        stem = keras_unit(input_channels, channels, 3, size=size)
        blocks: list[nn.Module] = []
        for stage, base in enumerate(CHANNELS):
            out_channels, stride = scaled_channels(base, width), 2 if stage else 1
            blocks.append(KerasBlock(channels, out_channels, size=size, stride=stride))
            channels, size = out_channels, -(-size // stride)
        super().__init__(
            OrderedDict(
                stem=stem,
                blocks=nn.Sequential(*blocks),
                pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                classifier=nn.Linear(channels, classes),
            )
        )
        initialize(self)
