"""SFAM: maps of one size from several pyramids side by side, and squeeze-and-excitation over all their channels.

Each of several stacked pyramids has a map of every size, from shallow to deep. For each size those of all pyramids are
concatenated, and one factor a channel says which pyramid's maps matter.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.layers.squeeze_excitation import SqueezeExcitation


class ScaleAggregation(nn.Module):
    """SFAM: concatenate along the scales, then weigh the channels.

    Args:
        pyramids: How many pyramids, ≥ 2.
        channels: Channels of each map.
        levels: Maps of each pyramid, ≥ 1.
        reduction: By how much the attention is narrower, ≥ 1.

    Raises:
        SettingError: There are too few pyramids or maps.

    Shape:
        `pyramids` lists of `levels` maps (N, channels, Hᵢ, Wᵢ) to `levels` maps (N, pyramids · channels, Hᵢ, Wᵢ).

    Source:
        Zhao et al. 2018 (M2Det), arXiv:1811.04533, Section 3.3 and Figure 4.

    Example:
        >>> pyramid = [torch.zeros(1, 4, 8, 8), torch.zeros(1, 4, 4, 4)]
        >>> [tuple(one.shape) for one in ScaleAggregation(2, 4, 2)([pyramid, pyramid])]
        [(1, 8, 8, 8), (1, 8, 4, 4)]
    """

    def __init__(self, pyramids: int, channels: int, levels: int, *, reduction: int = 16) -> None:
        super().__init__()
        if pyramids < 2 or levels < 1:
            raise SettingError(
                f"there are {pyramids} pyramids of {levels} maps",
                where="ScaleAggregation",
                fix="give at least two pyramids of at least one map",
            )
        wide = pyramids * channels
        self.attention = nn.ModuleList(SqueezeExcitation(wide, max(1, wide // reduction)) for _ in range(levels))

    def forward(self, pyramids: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        """Return the weighted maps, in the order of the levels."""
        side_by_side = [torch.cat(list(maps), 1) for maps in zip(*pyramids, strict=True)]
        return [weigh(one) for weigh, one in zip(self.attention, side_by_side, strict=True)]
