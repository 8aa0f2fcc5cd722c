"""A channel is worth the rank of its feature map: a map of low rank says little."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lissome.compression.pruning.scores.activations import statistics, watched
from lissome.compression.pruning.scores.score import LayerwiseScore, require_images
from lissome.core.context import Context, Need
from lissome.tracing.groups import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationRank(LayerwiseScore):
    """Mean rank of the channel's map, a matrix of rows and columns, on training images (HRank).

    Layers that read vectors show maps of one pixel, whose rank is 1 where it is not zero.

    Args:
        images: Training images, ≥ 1. Default 32; the rank hardly depends on which.

    Source:
        Lin et al. 2020, HRank, arXiv:2002.10565, equations 4 and 5.
    """

    normalize: Literal["none", "mean", "max"] = "mean"
    images: int = 32

    def __post_init__(self) -> None:
        super(ActivationRank, self).__post_init__()
        require_images(self.images, "ActivationRank")

    def requires(self) -> tuple[Need, ...]:
        """Training images."""
        return (Need.TASK,)

    def of(self, groups: Sequence[Group], model: nn.Module, context: Context) -> list[Tensor | None]:
        """Return (units,) numbers ≥ 0 for each group; None where no plain layer shows the channels."""
        shown = [watched(group, model) for group in groups]
        members = [one for each in shown for one in each]
        ranks = statistics(model, members, context, self.images, _rank)
        return [self.combined((one, ranks[one.layer, one.role]) for one in each) for each in shown]


def _rank(maps: Tensor) -> Tensor:
    if maps.shape[2:] == (1, 1):
        return (maps != 0).float().flatten(1)
    ranks: Tensor = torch.linalg.matrix_rank(maps)
    return ranks.float()
