"""IGCV1 (Zhang et al. 2017, arXiv:1707.02725): a residual network of interleaved group convolutions.

Idea: a 3x3 group convolution of L groups of M channels, then a 1x1 group convolution that takes one channel of every
group. Two sparse kernels make a dense one, and for equal parameters the layer is wider than a full convolution.

Cost of a block with L·M channels: H·W·L·M·(9·M + L) MACs and as many weights, against 9·H·W·(L·M)² of a full 3x3.
It is widest for its cost at L = 9·M (the terms are equal), far from both a full (L = 1) and a depthwise kernel (M = 1).
"""

from collections import OrderedDict

from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.initialization import initialize
from lissome.layers.interleaved_group import InterleavedGroupConvolution


class InterleavedResidual(nn.Module):
    """Two interleaved group convolutions and the identity around them.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        groups: L, primary groups; divides both.
        stride: Stride of the first convolution.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉).
    """

    def __init__(self, in_channels: int, out_channels: int, *, groups: int, stride: int) -> None:
        super().__init__()
        self.conv1 = InterleavedGroupConvolution(
            in_channels, out_channels, (in_channels // groups, groups), stride=stride
        )
        self.conv2 = InterleavedGroupConvolution(
            out_channels, out_channels, (out_channels // groups, groups), activation=None
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = ConvNormActivation(
                in_channels, out_channels, 1, stride=stride, groups=groups, activation=None
            )
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated sum of residual and shortcut."""
        y: Tensor = self.activation(self.conv2(self.conv1(x)) + self.shortcut(x))
        return y


class IGCV1(nn.Sequential):
    """IGC-L100M2+Ident of depth 18: four stages of two blocks, channels doubling from stage to stage.

    The authors count 8.61 M parameters and 1.3 G multiply-adds, without the normalisations' 30,200 parameters.

    Args:
        primary: L, groups of the first stage's 3x3 convolutions, >= 1; it doubles from stage to stage.
        secondary: M, groups of the 1x1 convolutions, even.
        classes: Number of outputs.
        input_channels: Channels of the image.
        small_input: The stem keeps the resolution (3x3, stride 1, no pooling), for images of about 32x32.

    Raises:
        SettingError: `primary` or `secondary` is less than 1, or secondary odd.

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in IGCV1().parameters()) - 30_200
        8607700
    """

    def __init__(
        self,
        *,
        primary: int = 100,
        secondary: int = 2,
        classes: int = 1000,
        input_channels: int = 3,
        small_input: bool = False,
    ) -> None:
        if primary < 1 or secondary < 2 or secondary % 2:
            raise SettingError(
                f"primary is {primary}, secondary {secondary}", where="IGCV1", fix="choose primary >= 1, secondary even"
            )
        channels = primary * secondary // 2
        stem = ConvNormActivation(input_channels, channels, 3 if small_input else 7, stride=1 if small_input else 2)
        blocks: list[nn.Module] = []
        for stage in range(4):
            groups = primary * 2**stage
            out_channels = primary * secondary * 2**stage
            for repeat in range(2):
                stride = 2 if stage and repeat == 0 else 1
                blocks.append(InterleavedResidual(channels, out_channels, groups=groups, stride=stride))
                channels = out_channels
        super().__init__(
            OrderedDict(
                stem=stem,
                stem_pool=nn.Identity() if small_input else nn.MaxPool2d(3, 2, padding=1),
                blocks=nn.Sequential(*blocks),
                pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                classifier=nn.Linear(channels, classes),
            )
        )
        initialize(self)
