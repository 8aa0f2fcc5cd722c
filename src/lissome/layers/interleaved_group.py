"""Interleaved group convolution (IGC): replace one dense kernel by a product of sparse ones and permutations.

    V1:  y = P⁻¹ · W² · P · W¹ · x            W¹: KxK, L groups of M channels;  W²: 1x1, M groups of L channels
    V2:  y = W^m · … · P · W² · P · W¹ · x    m group convolutions, of which the last m - 1 are 1x1
    V3:  the two 1x1 convolutions of an inverted residual in groups, with permutations around the depthwise one

A channel number is read as digits in the mixed base (K_m, …, K_1), K_1 · … · K_m = C. Convolution i mixes digit i,
the permutation then brings the next digit to the end. So each output meets each input on exactly one path (the
complementary condition), and W^m ⋯ W¹ is a dense kernel made of few weights.

Cost of V1 and V2 with C in and out: H·W·C·(K²·K_1 + K_2 + … + K_m) MACs instead of H·W·C²·K²; it is least when the
terms are equal (the balance condition): K_i = C^(1/m) for 1x1 kernels.
"""

from collections.abc import Callable, Iterator, Sequence
from math import prod

from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.layers.channel_shuffle import ChannelShuffle
from lissome.layers.conv_norm_activation import ConvNormActivation


def balanced_factors(channels: int, count: int) -> tuple[int, ...]:
    """Return `count` whole numbers with product `channels` and the least sum, ascending.

    Args:
        channels: The product, >= 1.
        count: How many factors, >= 1.

    Source:
        Xie et al. 2018, arXiv:1804.06202, the balance condition.

    Example:
        >>> balanced_factors(64, 2), balanced_factors(512, 2), balanced_factors(512, 3)
        ((8, 8), (16, 32), (8, 8, 8))
    """
    return min(_factorizations(channels, count, 1), key=sum)


def _factorizations(product: int, count: int, least: int) -> Iterator[tuple[int, ...]]:
    if count == 1:
        if product >= least:
            yield (product,)
        return
    for factor in range(least, int(product ** (1 / count)) + 2):
        if product % factor == 0:
            for rest in _factorizations(product // factor, count - 1, factor):
                yield (factor, *rest)


class InterleavedGroupConvolution(nn.Sequential):
    """Group convolutions with permutations between them, then batch normalisation and activation (V1 and V2).

    Args:
        in_channels: C, channels of the input.
        out_channels: C', channels of the output.
        factors: K_1 … K_m, input channels of one group of each convolution; their product is C. V1 with L primary
            groups is (C / L, L); V2 with a channel-wise spatial kernel is (1, K_2, …, K_m).
        kernel_size: Odd size of the first kernel; the others are 1x1.
        stride: Stride of the first convolution.
        activation: Builds the activation at the end; None leaves the block linear.

    Raises:
        SettingError: The product of `factors` is not C, or C' is not a multiple of C / K_1.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉).

    Source:
        V1: Zhang et al. 2017, arXiv:1707.02725, Section 3; V2: Xie et al. 2018, arXiv:1804.06202, Section 3.

    Example:
        >>> import torch
        >>> InterleavedGroupConvolution(48, 48, (2, 24))(torch.zeros(1, 48, 8, 8)).shape
        torch.Size([1, 48, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        factors: Sequence[int],
        *,
        kernel_size: int = 3,
        stride: int = 1,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
    ) -> None:
        if prod(factors) != in_channels or out_channels % (in_channels // factors[0]):
            raise SettingError(
                f"factors {tuple(factors)} do not fit {in_channels} channels in and {out_channels} out",
                where="InterleavedGroupConvolution",
                fix="their product is the channels in, and channels in / the first divides the channels out",
            )
        groups = in_channels // factors[0]
        pad = kernel_size // 2
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, pad, groups=groups, bias=False),
            ChannelShuffle(groups),
        ]
        for factor in factors[1:]:
            groups = out_channels // factor
            layers += [nn.Conv2d(out_channels, out_channels, 1, groups=groups, bias=False), ChannelShuffle(groups)]
        layers.append(nn.BatchNorm2d(out_channels))
        if activation is not None:
            layers.append(activation())
        super().__init__(*layers)


class InterleavedLowRankGroup(nn.Module):
    """Inverted residual whose 1x1 convolutions work in groups, with permutations around the depthwise one (V3).

    Args:
        in_channels: C, channels of the input.
        out_channels: C', channels of the output.
        expanded_channels: E, channels in between.
        groups: g, groups of the 1x1 convolutions; divides all three. Cost: H·W·E·(C/g + (K² + C'/g) / stride²) MACs.
        stride: Stride of the depthwise 3x3 convolution; the skip exists only at 1.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉).

    Source:
        Sun et al. 2018, arXiv:1806.00178, Section 3.

    Example:
        >>> import torch
        >>> InterleavedLowRankGroup(16, 24, 96, stride=2)(torch.zeros(1, 16, 8, 8)).shape
        torch.Size([1, 24, 4, 4])
    """

    def __init__(
        self, in_channels: int, out_channels: int, expanded_channels: int, *, groups: int = 2, stride: int = 1
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ConvNormActivation(in_channels, expanded_channels, 1, groups=groups, activation=None),
            ChannelShuffle(groups),
            ConvNormActivation(
                expanded_channels, expanded_channels, 3, stride=stride, groups=expanded_channels, activation=nn.ReLU6
            ),
            ConvNormActivation(expanded_channels, out_channels, 1, groups=groups, activation=None),
            # Back to the order of the input, so that the skip adds like to like.
            ChannelShuffle(out_channels // groups),
        )
        self.adds_input = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, plus `x` where the skip exists."""
        y: Tensor = self.layers(x)
        return x + y if self.adds_input else y
