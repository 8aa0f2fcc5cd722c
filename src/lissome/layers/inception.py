"""Inception branches: several receptive fields side by side, concatenated.

    y = [B_1(x), B_2(x), …, pool(x)]

Three ideas make the branches cheap, each a block here:

- 1x1 before KxK: H·W·(C·R + K²·R·C') instead of H·W·K²·C·C' MACs (`convolution_chain`).
- Asymmetric factorisation: a 1xn and an nx1 convolution see nxn pixels for 2n instead of n² products a pixel and
  channel pair: 33 % less at n = 3, 71 % less at n = 7 (`AsymmetricConvolution`).
- Parallel pool reduction: to halve the side and grow the channels, a strided convolution and a pooling run in
  parallel; no bottleneck as when pooling first, a quarter of the cost of convolving first (`parallel_pool_reduction`).
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from lissome.layers.conv_norm_activation import ConvNormActivation


class ParallelBranches(nn.Module):
    """Run branches on the same input and concatenate their channels.

    Args:
        branches: Modules that keep or change H and W alike.

    Shape:
        (N, C, H, W) to (N, sum of the branches' channels, H', W').

    Source:
        Szegedy et al. 2014, arXiv:1409.4842, Figure 2.

    Example:
        >>> ParallelBranches(nn.Identity(), nn.Conv2d(8, 4, 1))(torch.zeros(1, 8, 2, 2)).shape
        torch.Size([1, 12, 2, 2])
    """

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' outputs, concatenated."""
        return torch.cat([branch(x) for branch in self.branches], 1)


class AsymmetricConvolution(nn.Sequential):
    """An nxn receptive field as two units, 1xn and nx1.

    Cost: H·W·n·(C·B + B·C') MACs, with B channels in between.

    Args:
        in_channels: C, channels of the input.
        inner_channels: B, channels in between.
        out_channels: C', channels of the output.
        length: n, odd.
        first: Which comes first, "row" (1xn) or "column" (nx1).

    Shape:
        (N, in_channels, H, W) to (N, out_channels, H, W).

    Source:
        Szegedy et al. 2015, arXiv:1512.00567, Section 3.2.

    Example:
        >>> AsymmetricConvolution(8, 8, 16, length=7)(torch.zeros(1, 8, 9, 9)).shape
        torch.Size([1, 16, 9, 9])
    """

    def __init__(
        self,
        in_channels: int,
        inner_channels: int,
        out_channels: int,
        *,
        length: int,
        first: Literal["row", "column"] = "row",
    ) -> None:
        row, column = (1, length), (length, 1)
        kernels = (row, column) if first == "row" else (column, row)
        super().__init__(
            ConvNormActivation(in_channels, inner_channels, kernels[0]),
            ConvNormActivation(inner_channels, out_channels, kernels[1]),
        )


class SplitConvolution(ParallelBranches):
    """A 1x3 and a 3x1 convolution side by side: the asymmetric pair as a wider layer, for the smallest maps.

    Cost: H·W·6·C·B MACs for 2·B channels out.

    Args:
        in_channels: C, channels of the input.
        branch_channels: B, channels of each of the two.

    Shape:
        (N, in_channels, H, W) to (N, 2 · branch_channels, H, W).

    Source:
        Szegedy et al. 2015, arXiv:1512.00567, Figure 7.
    """

    def __init__(self, in_channels: int, branch_channels: int) -> None:
        super().__init__(
            ConvNormActivation(in_channels, branch_channels, (1, 3)),
            ConvNormActivation(in_channels, branch_channels, (3, 1)),
        )


def convolution_chain(
    in_channels: int,
    out_channels: Sequence[int],
    kernels: Sequence[int],
    *,
    stride: int = 1,
    padding: Literal["same", "valid"] = "same",
) -> nn.Sequential:
    """Return units in a row; the last one takes the stride and the padding.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels after each unit.
        kernels: Kernel size of each unit.
        stride: Stride of the last unit.
        padding: Padding of the last unit, "same" or "valid"; the others keep the size.

    Example:
        >>> convolution_chain(64, (16, 32), (1, 3), stride=2)(torch.zeros(1, 64, 8, 8)).shape
        torch.Size([1, 32, 4, 4])
    """
    units = []
    last = len(out_channels) - 1
    for index, (channels, kernel) in enumerate(zip(out_channels, kernels, strict=True)):
        units.append(
            ConvNormActivation(
                in_channels,
                channels,
                kernel,
                stride=stride if index == last else 1,
                padding="valid" if index == last and padding == "valid" else "same",
            )
        )
        in_channels = channels
    return nn.Sequential(*units)


def pooled_projection(in_channels: int, out_channels: int, pool: nn.Module | None = None) -> nn.Sequential:
    """Return the pooling branch: 3x3 pooling at stride 1 (the mean, unless another is given), then 1x1.

    Cost: H·W·C·C' MACs.

    Example:
        >>> pooled_projection(8, 4)(torch.zeros(1, 8, 2, 2)).shape
        torch.Size([1, 4, 2, 2])
    """
    return nn.Sequential(
        nn.AvgPool2d(3, stride=1, padding=1) if pool is None else pool, ConvNormActivation(in_channels, out_channels, 1)
    )


def parallel_pool_reduction(*branches: nn.Module, padding: int = 0) -> ParallelBranches:
    """Return strided branches beside a 3x3 max pooling of stride 2, concatenated.

    Args:
        branches: Branches that end with stride 2 and the same padding.
        padding: Padding of the pooling: 0 beside "valid" convolutions, 1 beside "same" ones.

    Source:
        Szegedy et al. 2015, arXiv:1512.00567, Section 5 and Figure 10.

    Example:
        >>> conv = ConvNormActivation(8, 16, 3, stride=2, padding="valid")
        >>> parallel_pool_reduction(conv)(torch.zeros(1, 8, 9, 9)).shape
        torch.Size([1, 24, 4, 4])
    """
    return ParallelBranches(*branches, nn.MaxPool2d(3, stride=2, padding=padding))
