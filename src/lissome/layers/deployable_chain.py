"""A network that is a chain of re-parameterisable blocks in training and of plain convolutions at run time."""

import copy
from collections import OrderedDict
from collections.abc import Sequence
from typing import Self

from torch import nn

from lissome.layers.initialization import initialize
from lissome.layers.reparameterizable import ReparameterizableConvolution, fold_reparameterizable


class DeployableChain(nn.Sequential):
    """Blocks, pooling, one linear layer; the blocks fold into plain convolutions.

    Args:
        blocks: The chain; its re-parameterisable blocks are folded for the run time, others stay as they are.
        channels: C, channels that leave it.
        classes: Number of outputs.

    Shape:
        What the first block takes to (N, classes).

    Source:
        Ding et al. 2021, arXiv:2101.03697, Figure 2.

    Example:
        >>> DeployableChain([ReparameterizableConvolution(3, 8)], 8, 4).deployed().blocks[0].conv
        Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    """

    def __init__(self, blocks: Sequence[nn.Module], channels: int, classes: int) -> None:
        super().__init__(
            OrderedDict(
                blocks=nn.Sequential(*blocks),
                pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                classifier=nn.Linear(channels, classes),
            )
        )
        initialize(self)

    def deployed(self) -> Self:
        """Return the plain chain that computes what this network computes in eval mode; this one stays as it is.

        Example:
            >>> import torch
            >>> trained = DeployableChain([ReparameterizableConvolution(3, 8)], 8, 4).eval()
            >>> image = torch.rand(1, 3, 8, 8)
            >>> torch.allclose(trained.deployed()(image), trained(image), atol=1e-4)
            True
        """
        plain = copy.deepcopy(self)
        plain.blocks = nn.Sequential(*map(_folded, plain.get_submodule("blocks").children()))
        return plain


def plain_convolution(
    in_channels: int, out_channels: int, kernel: int = 3, *, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Return the form that a block has at run time: a convolution with bias that keeps H and W at stride 1, and ReLU.

    Example:
        >>> plain_convolution(3, 8, stride=2)
        Sequential(
          (conv): Conv2d(3, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
          (activation): ReLU()
        )
    """
    convolution = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups)
    return nn.Sequential(OrderedDict(conv=convolution, activation=nn.ReLU()))


def _folded(block: nn.Module) -> nn.Module:
    if not isinstance(block, ReparameterizableConvolution):
        return block
    return nn.Sequential(OrderedDict(conv=fold_reparameterizable(block), activation=block.activation))
