"""IGCV2 (Xie et al. 2018, arXiv:1804.06202): a product of many sparse kernels instead of one dense 1x1.

Idea: the 1x1 group convolutions of IGCV1 are dense inside a group; replace each by interleaved group convolutions
again. With a channel-wise 3x3 first, m sparse 1x1 convolutions of K_1 · … · K_m = C still connect every output with
every input on exactly one path.

Cost of a block with C in, C' out: H·W·C'·(9 + ΣK_i) MACs, ΣK_i >= m · C^(1/m), against H·W·(9·C + C·C') of a
depthwise-separable block: at C = C' = 512 and m = 2, K = 16 and 32, it is 57 instead of 521 a pixel and channel.

The skeleton here is MobileNetV1's, which the paper compares with, at MobileNetV1's own channels; the paper's ImageNet
networks are wider (IGCV2-1.0: 4.1 M parameters, 564 M MACs), so its accuracies do not belong to this table of channels.
"""

from collections import OrderedDict

from torch import nn

from lissome.core.errors import SettingError
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.initialization import initialize
from lissome.layers.interleaved_group import InterleavedGroupConvolution, balanced_factors
from lissome.layers.width import scaled_channels
from lissome.models.mobilenet_v1 import BLOCKS


class IGCV2(nn.Sequential):
    """MobileNetV1's chain, its 1x1 convolutions replaced by products of sparse ones.

    Args:
        classes: Number of outputs.
        width: Multiplier of the stem's 32 channels, > 0; rounded to a multiple of 8, from where the others double.
        factors: m, number of sparse 1x1 convolutions in a block, >= 2.
        input_channels: Channels of the image.
        small_input: Stem and first strided block keep the resolution, for images of about 32x32.

    Raises:
        SettingError: `factors` is less than 2.

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in IGCV2().parameters())
        1365576
    """

    def __init__(
        self,
        *,
        classes: int = 1000,
        width: float = 1.0,
        factors: int = 2,
        input_channels: int = 3,
        small_input: bool = False,
    ) -> None:
        if factors < 2:
            raise SettingError(f"factors is {factors}", where="IGCV2", fix="choose 2 or more")
        channels = scaled_channels(32, width)
        stem = ConvNormActivation(input_channels, channels, 3, stride=1 if small_input else 2)
        blocks: list[nn.Module] = []
        for index, (_, stride) in enumerate(BLOCKS):
            # Channels double or stay, so the stem's number times the paper's ratio keeps every division whole.
            out_channels = channels * 2 if index == 0 or stride == 2 else channels
            kept = small_input and index == 1
            blocks.append(
                InterleavedGroupConvolution(
                    channels, out_channels, (1, *balanced_factors(channels, factors)), stride=1 if kept else stride
                )
            )
            channels = out_channels
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
