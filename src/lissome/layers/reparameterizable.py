"""Re-parameterisable convolution: several parallel branches in training, one plain convolution at run time.

    train:   y = f(BN₀(W ∗ x) + Σ_b BN_b(W_b ∗ x) + BN_i(x))          deploy:   y = f(W' ∗ x + bias')

Convolution is linear, so the branches are one convolution: each normalisation folds into its kernel, each small
kernel is surrounded by zeros, the identity is a kernel with a single 1, and the kernels add up.
Cost of a 3x3 with a 1x1 branch: H·W·C·C'·(9 + 1) MACs in training, 9 at run time, and no branch to keep in memory.
"""

from collections.abc import Callable, Sequence
from typing import cast

from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.layers.branch_sum import LinearBranch, sum_branches
from lissome.layers.conv_norm_activation import ConvNormActivation


class ReparameterizableConvolution(nn.Module):
    """A convolution with parallel branches, all normalised, added, then activated.

    Args:
        in_channels: C, channels of the input.
        out_channels: C', channels of the output.
        stride: Stride of every branch. The identity branch exists where stride is 1 and C = C'.
        groups: Groups of every convolution.
        kernels: Kernel sizes (height, width) of the branches, odd, the first the largest. RepVGG's are 3x3 and 1x1,
            ACNet's 3x3, 1x3 and 3x1.
        identity: Allow the identity branch (RepVGG has it, ACNet has not).
        activation: Builds the activation behind the sum; None leaves it linear.

    Raises:
        SettingError: A kernel is even, or larger than the first.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉).

    Source:
        Ding et al. 2021, arXiv:2101.03697, Section 3.2 and Figure 4; ACNet: Ding et al. 2019, arXiv:1908.03930.

    Example:
        >>> import torch
        >>> ReparameterizableConvolution(8, 8)(torch.zeros(1, 8, 4, 4)).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        groups: int = 1,
        kernels: Sequence[tuple[int, int]] = ((3, 3), (1, 1)),
        identity: bool = True,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
    ) -> None:
        super().__init__()
        for height, width in kernels:
            if height % 2 == 0 or width % 2 == 0 or height > kernels[0][0] or width > kernels[0][1]:
                raise SettingError(
                    f"a branch has a {height}x{width} kernel",
                    where="ReparameterizableConvolution",
                    fix="use odd sizes, the largest kernel first",
                )
        self.branches = nn.ModuleList(
            ConvNormActivation(in_channels, out_channels, kernel, stride=stride, groups=groups, activation=None)
            for kernel in kernels
        )
        has_identity = identity and stride == 1 and in_channels == out_channels
        self.identity = nn.BatchNorm2d(in_channels) if has_identity else None
        self.activation = nn.Identity() if activation is None else activation()

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated sum of the branches."""
        total = self.branches[0](x)
        for branch in self.branches[1:]:
            total = total + branch(x)
        if self.identity is not None:
            total = total + self.identity(x)
        y: Tensor = self.activation(total)
        return y


def fold_reparameterizable(block: ReparameterizableConvolution) -> nn.Conv2d:
    """Return the one convolution that computes what the block's branches compute in eval mode, before the activation.

    Args:
        block: Left as it is. Its running statistics become part of the kernel.

    Returns:
        A convolution with bias, in the data type of the block.

    Source:
        Ding et al. 2021, arXiv:2101.03697, Equations 3 and 4.

    Example:
        >>> import torch
        >>> block = ReparameterizableConvolution(4, 4, activation=None).eval()
        >>> x = torch.rand(1, 4, 5, 5)
        >>> torch.allclose(fold_reparameterizable(block)(x), block(x), atol=1e-5)
        True
    """
    branches = [
        LinearBranch(cast(nn.Conv2d, branch.conv), cast(nn.BatchNorm2d, branch.norm)) for branch in block.branches
    ]
    if block.identity is not None:
        branches.append(LinearBranch(norm=block.identity))
    return cast(nn.Conv2d, sum_branches(branches))
