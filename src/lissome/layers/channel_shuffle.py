"""Channel shuffle and channel split: let groups talk, and let half of the channels pass by.

Shuffle with g groups of n channels sends channel i·n + j to place j·g + i: a matrix transpose (g, n) → (n, g) of the
channel index. Split cuts the channels into equal parts; concatenating them is its inverse.

Cost: no parameter and no MAC, but both move every byte of the tensor, which MACs do not show.
"""

import torch
from torch import Tensor, nn

from lissome.core.errors import SettingError


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Return `x` with its channels interleaved: the first of every group, then the second of every group, and so on.

    Shuffling the result again with C / groups groups gives `x` back.

    Args:
        x: Features (N, C, H, W).
        groups: Number of groups, a divisor of C.

    Source:
        Zhang et al. 2017, arXiv:1707.01083, Section 3.1 and Figure 1 (c).

    Example:
        >>> channel_shuffle(torch.arange(6).reshape(1, 6, 1, 1), 2).flatten().tolist()
        [0, 3, 1, 4, 2, 5]
    """
    # This spelling (reshape, transpose, reshape) is what engines recognise and replace with one shuffle layer.
    batch, channels, height, width = x.shape
    rows = x.reshape(batch, groups, channels // groups, height, width)
    return rows.transpose(1, 2).reshape(batch, channels, height, width)


def channel_split(x: Tensor, parts: int = 2) -> tuple[Tensor, ...]:
    """Return the channels of `x` in equal consecutive parts; `torch.cat(parts, 1)` puts them together again.

    Args:
        x: Features (N, C, H, W).
        parts: Number of parts, a divisor of C.

    Source:
        Ma et al. 2018, arXiv:1807.11164, Section 3 and Figure 3 (c).

    Example:
        >>> [part.shape[1] for part in channel_split(torch.zeros(1, 6, 1, 1), 3)]
        [2, 2, 2]
    """
    return torch.chunk(x, parts, 1)


class ChannelShuffle(nn.Module):
    """`channel_shuffle` as a layer.

    Args:
        groups: Number of groups, >= 1; a divisor of the channels that come in.

    Raises:
        SettingError: `groups` is less than 1.

    Shape:
        (N, C, H, W) to the same.

    Source:
        Zhang et al. 2017, arXiv:1707.01083, Section 3.1.

    Example:
        >>> ChannelShuffle(2)(torch.arange(4).reshape(1, 4, 1, 1)).flatten().tolist()
        [0, 2, 1, 3]
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        if groups < 1:
            raise SettingError(f"groups is {groups}", where="ChannelShuffle", fix="choose a divisor of the channels")
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Return the shuffled features."""
        return channel_shuffle(x, self.groups)

    def extra_repr(self) -> str:
        """Show the number of groups."""
        return f"groups={self.groups}"
