"""DarkNet-53 (Redmon and Farhadi 2018, arXiv:1804.02767): residual blocks of a 1x1 and a 3x3, no pooling.

Idea: ResNet's accuracy at a higher rate of useful MACs: the 1x1 halves the channels for the 3x3, and strided 3x3
convolutions do the down-sampling, so nearly all work is in kernels that devices compute well.

Cost of a block with c channels: H·W·(c²/2 + 9·c²/2) = 5·H·W·c² MACs, of which the 3x3 is 90 %.
"""

from collections import OrderedDict

from torch import Tensor, nn

from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.cross_stage_partial import leaky_relu
from lissome.layers.initialization import initialize
from lissome.layers.width import scaled_channels

# Table 1 of the paper: channels and number of blocks of each stage; each begins with a strided 3x3.
STAGES = ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4))


class DarknetBlock(nn.Module):
    """A 1x1 and a 3x3 convolution, added to the input.

    Args:
        channels: Channels of input and output.
        middle_channels: Channels between the two.

    Shape:
        (N, channels, H, W) to the same.

    Example:
        >>> import torch
        >>> DarknetBlock(8, 4)(torch.zeros(1, 8, 4, 4)).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(self, channels: int, middle_channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ConvNormActivation(channels, middle_channels, 1, activation=leaky_relu),
            ConvNormActivation(middle_channels, channels, 3, activation=leaky_relu),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of input and layers."""
        y: Tensor = x + self.layers(x)
        return y


class DarkNet53(nn.Sequential):
    """DarkNet-53.

    Args:
        classes: Number of outputs.
        width: Multiplier of the channels, > 0.
        input_channels: Channels of the image.
        small_input: The first two stages keep the resolution, for images of about 32x32.

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in DarkNet53(width=0.25).parameters())
        2800416
    """

    def __init__(
        self, *, classes: int = 1000, width: float = 1.0, input_channels: int = 3, small_input: bool = False
    ) -> None:
        channels = scaled_channels(32, width)
        stem = ConvNormActivation(input_channels, channels, 3, activation=leaky_relu)
        stages: list[nn.Module] = []
        for stage, (base, repeats) in enumerate(STAGES):
            out_channels = scaled_channels(base, width)
            stride = 1 if small_input and stage < 2 else 2
            down = ConvNormActivation(channels, out_channels, 3, stride=stride, activation=leaky_relu)
            blocks = [DarknetBlock(out_channels, out_channels // 2) for _ in range(repeats)]
            stages.append(nn.Sequential(OrderedDict(down=down, blocks=nn.Sequential(*blocks))))
            channels = out_channels
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
