"""MobileNetV3 (Howard et al. 2019, arXiv:1905.02244): MobileNetV2's block, searched for the phone, with attention.

Idea: hardware-aware search chose each block's kernel and width; squeeze-and-excitation at a quarter of the expanded
channels; hard-swish x·min(max(x + 3, 0), 6)/6 in the deep half only; and a tail that pools BEFORE its last wide 1x1,
which then costs 1/49 of what it did at 7x7.

Cost of a block: H·W·E·(C + (K² + C') / stride²) MACs, plus E²/2 for the attention, which works on one pixel.
"""

from collections import OrderedDict
from typing import Literal

from torch import nn

from lissome.core.errors import SettingError
from lissome.layers.batch_norm import set_batch_norm
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.initialization import initialize
from lissome.layers.inverted_residual import InvertedResidual
from lissome.layers.squeeze_excitation import SqueezeExcitation
from lissome.layers.width import scaled_channels

# Tables 1 and 2 of the paper: kernel, expanded channels, channels, attention, activation, stride; then the last width.
Row = tuple[int, int, int, bool, type[nn.Module], int]
LARGE: tuple[Row, ...] = (
    (3, 16, 16, False, nn.ReLU, 1),
    (3, 64, 24, False, nn.ReLU, 2),
    (3, 72, 24, False, nn.ReLU, 1),
    (5, 72, 40, True, nn.ReLU, 2),
    (5, 120, 40, True, nn.ReLU, 1),
    (5, 120, 40, True, nn.ReLU, 1),
    (3, 240, 80, False, nn.Hardswish, 2),
    (3, 200, 80, False, nn.Hardswish, 1),
    (3, 184, 80, False, nn.Hardswish, 1),
    (3, 184, 80, False, nn.Hardswish, 1),
    (3, 480, 112, True, nn.Hardswish, 1),
    (3, 672, 112, True, nn.Hardswish, 1),
    (5, 672, 160, True, nn.Hardswish, 2),
    (5, 960, 160, True, nn.Hardswish, 1),
    (5, 960, 160, True, nn.Hardswish, 1),
)
SMALL: tuple[Row, ...] = (
    (3, 16, 16, True, nn.ReLU, 2),
    (3, 72, 24, False, nn.ReLU, 2),
    (3, 88, 24, False, nn.ReLU, 1),
    (5, 96, 40, True, nn.Hardswish, 2),
    (5, 240, 40, True, nn.Hardswish, 1),
    (5, 240, 40, True, nn.Hardswish, 1),
    (5, 120, 48, True, nn.Hardswish, 1),
    (5, 144, 48, True, nn.Hardswish, 1),
    (5, 288, 96, True, nn.Hardswish, 2),
    (5, 576, 96, True, nn.Hardswish, 1),
    (5, 576, 96, True, nn.Hardswish, 1),
)
VARIANTS = {"large": (LARGE, 1280), "small": (SMALL, 1024)}


class MobileNetV3(nn.Sequential):
    """MobileNetV3, large or small.

    Args:
        variant: "large" or "small".
        classes: Number of outputs.
        width: Multiplier of the channels, > 0; the paper uses 0.35 to 1.25.
        input_channels: Channels of the image.
        small_input: Stem and first strided block keep the resolution, for images of about 32x32.
        dropout: Share of features dropped before the classifier in training, [0, 1).

    Raises:
        SettingError: No such variant.

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in MobileNetV3(variant="small").parameters())
        2542856
    """

    def __init__(
        self,
        *,
        variant: Literal["large", "small"] = "large",
        classes: int = 1000,
        width: float = 1.0,
        input_channels: int = 3,
        small_input: bool = False,
        dropout: float = 0.2,
    ) -> None:
        if variant not in VARIANTS:
            raise SettingError(f"variant is {variant!r}", where="MobileNetV3", fix="choose large or small")
        rows, last = VARIANTS[variant]
        channels = scaled_channels(16, width)
        stem = ConvNormActivation(input_channels, channels, 3, stride=1 if small_input else 2, activation=nn.Hardswish)
        blocks, kept = [], not small_input
        for kernel_size, base_expanded, base, attends, activation, row_stride in rows:
            stride = row_stride if kept else 1
            kept = kept or row_stride > 1
            expanded, out_channels = scaled_channels(base_expanded, width), scaled_channels(base, width)
            attention = None
            if attends:
                squeezed = scaled_channels(expanded, 0.25)
                attention = SqueezeExcitation(expanded, squeezed, gate=nn.Hardsigmoid)
            blocks.append(
                InvertedResidual(
                    channels,
                    out_channels,
                    expanded,
                    kernel_size=kernel_size,
                    stride=stride,
                    activation=activation,
                    attention=attention,
                )
            )
            channels = out_channels
        features, hidden = 6 * channels, scaled_channels(last, width)
        super().__init__(
            OrderedDict(
                stem=stem,
                blocks=nn.Sequential(*blocks),
                head=ConvNormActivation(channels, features, 1, activation=nn.Hardswish),
                pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                hidden=nn.Linear(features, hidden),
                activation=nn.Hardswish(),
                dropout=nn.Dropout(dropout),
                classifier=nn.Linear(hidden, classes),
            )
        )
        initialize(self)
        set_batch_norm(self, eps=1e-3, momentum=0.01)
