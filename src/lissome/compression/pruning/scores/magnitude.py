"""A channel is worth the size of the weights that make it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from lissome.compression.pruning.scores.score import LayerwiseScore, parameter_of, rows_of
from lissome.core.context import Context
from lissome.tracing.groups import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class L1(LayerwiseScore):
    """Mean absolute weight of the filters that make the channel.

    Each producing layer's numbers are divided by their mean, so that layers of different scale can be compared.

    Source:
        Li et al. 2017, Pruning Filters for Efficient ConvNets, arXiv:1608.08710, section 3.1.
    """

    normalize: Literal["none", "mean", "max"] = "mean"

    def of(self, groups: Sequence[Group], model: nn.Module, context: Context) -> list[Tensor | None]:
        """Return (units,) numbers ≥ 0 for each group."""
        del context
        return [_magnitude(self, group, model, power=1) for group in groups]


@dataclass(frozen=True, slots=True, kw_only=True)
class L2(LayerwiseScore):
    """Root mean square weight of the filters that make the channel; compared between layers as `L1` is.

    Source:
        He et al. 2018, Soft Filter Pruning, arXiv:1808.06866, equation 2.
    """

    normalize: Literal["none", "mean", "max"] = "mean"

    def of(self, groups: Sequence[Group], model: nn.Module, context: Context) -> list[Tensor | None]:
        """Return (units,) numbers ≥ 0 for each group."""
        del context
        return [_magnitude(self, group, model, power=2) for group in groups]


def _magnitude(score: LayerwiseScore, group: Group, model: nn.Module, power: int) -> Tensor | None:
    def norms() -> Sequence[Tensor]:
        rows = [rows_of(parameter_of(model, member), member).abs() for member in group.weights]
        return [one.pow(power).mean(dim=1).pow(1 / power) if power != 1 else one.mean(dim=1) for one in rows]

    return score.combined(zip(group.weights, norms(), strict=True))
