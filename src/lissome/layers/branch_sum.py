"""Parallel linear branches as one convolution: fold each normalisation, surround small kernels by zeros, add up.

    Σ_b BN_b(W_b ∗ x) + BN_i(x) = W' ∗ x + bias'        W' = Σ_b pad(W_b · γ_b / √(σ_b² + ε))

Kernels must line up: where W' reads position i + u - P, a branch with padding p has its tap at u - (P - p). With every
kernel in the centre of the largest, P - p = (K - k) / 2. The identity is a kernel with a single 1 a channel.
Cost: one kernel of the largest size instead of the sum of all.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.fusion import fuse_conv_bn_weights


@dataclass(frozen=True, slots=True)
class LinearBranch:
    """One term of a sum: a convolution, a normalisation, one behind the other, or neither (the input as it is).

    Args:
        convolution: Conv1d, Conv2d or Conv3d; None passes the input on.
        norm: A batch normalisation with running statistics; None leaves it out.
    """

    convolution: _ConvNd | None = None
    norm: _BatchNorm | None = None


@torch.no_grad()
def sum_branches(branches: Sequence[LinearBranch]) -> _ConvNd:
    """Return the one convolution that computes the sum of the branches in eval mode.

    Args:
        branches: The first has the convolution with the largest kernel, whose stride, groups, dilation and padding the
            result takes; the others must line up with it (`lissome.compression.folding` checks that). Left as they are.

    Returns:
        A convolution with bias, in the data type of the first.

    Source:
        Ding et al. 2021, arXiv:2101.03697, Equations 3 and 4.

    Example:
        >>> large, small, x = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 1), torch.rand(1, 3, 5, 5)
        >>> one = sum_branches([LinearBranch(large), LinearBranch(small)])
        >>> torch.allclose(one(x), large(x) + small(x), atol=1e-5)
        True
    """
    first = branches[0].convolution
    assert first is not None, "the first branch has the largest kernel"
    kernels, biases = zip(*(_kernel_and_bias(one, first) for one in branches), strict=True)
    folded = copy.deepcopy(first)
    centred = [_centred(kernel, first.kernel_size) for kernel in kernels]
    folded.weight = nn.Parameter(torch.stack(centred).sum(0).to(first.weight))
    folded.bias = nn.Parameter(torch.stack(biases).sum(0).to(first.weight))
    return folded


def _kernel_and_bias(branch: LinearBranch, first: _ConvNd) -> tuple[Tensor, Tensor]:
    """Return kernel and bias of a branch in double precision, its normalisation folded in."""
    if branch.convolution is None:
        points = first.weight.new_empty((*first.weight.shape[:2], *(1 for _ in first.kernel_size)))
        weight, bias = nn.init.dirac_(points, first.groups).double(), None
    else:
        weight, bias = branch.convolution.weight.double(), branch.convolution.bias
    bias = weight.new_zeros(first.out_channels) if bias is None else bias.double()
    norm = branch.norm
    if norm is None:
        return weight, bias
    mean, variance = cast(Tensor, norm.running_mean).double(), cast(Tensor, norm.running_var).double()
    scale = torch.ones_like(mean) if norm.weight is None else norm.weight.double()
    shift = torch.zeros_like(mean) if norm.bias is None else norm.bias.double()
    return fuse_conv_bn_weights(weight, bias, mean, variance, norm.eps, scale, shift)


def _centred(weight: Tensor, size: Sequence[int]) -> Tensor:
    """Return the kernel in the middle of zeros, so that it has the size wanted."""
    margins = [(wanted - given) // 2 for wanted, given in zip(size, weight.shape[2:], strict=True)]
    # torch counts padding from the last dimension, before and after.
    return nn.functional.pad(weight, [margin for margin in reversed(margins) for _ in range(2)])
