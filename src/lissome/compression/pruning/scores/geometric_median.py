"""A channel is worth its distance from the others: what lies near their geometric median can be replaced by them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lissome.compression.pruning.scores.score import LayerwiseScore, parameter_of, rows_of
from lissome.core.context import Context
from lissome.tracing.groups import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class GeometricMedian(LayerwiseScore):
    """Mean distance of a filter from all filters of its layer (FPGM): small norms are not unimportant, likeness is.

    Source:
        He et al. 2019, Filter Pruning via Geometric Median, arXiv:1811.00250, equations 5 and 6.
    """

    normalize: Literal["none", "mean", "max"] = "mean"

    def of(self, groups: Sequence[Group], model: nn.Module, context: Context) -> list[Tensor | None]:
        """Return (units,) numbers ≥ 0 for each group."""
        del context
        return [
            self.combined((one, _distances(rows_of(parameter_of(model, one), one))) for one in group.weights)
            for group in groups
        ]


def _distances(rows: Tensor) -> Tensor:
    # The difference by matrix products loses half of the digits, which near-equal filters need.
    return torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist").mean(dim=1)
