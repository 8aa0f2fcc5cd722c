"""A channel is worth the size of the weights that make it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lissome.compression.pruning.scores.score import Score, parameter_of, per_unit
from lissome.tracing.groups import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class L1(Score):
    """Mean absolute weight of the filters that make the channel.

    Each producing layer's numbers are divided by their mean, so that layers of different scale can be compared.

    Source:
        Li et al. 2017, Pruning Filters for Efficient ConvNets, arXiv:1608.08710, section 3.1.
    """

    def of(self, group: Group, model: nn.Module, generator: torch.Generator) -> Tensor | None:
        """Return (units,) numbers with mean 1."""
        del generator
        return _magnitude(group, model, power=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class L2(Score):
    """Root mean square weight of the filters that make the channel; compared between layers as `L1` is.

    Source:
        He et al. 2018, Soft Filter Pruning, arXiv:1808.06866, equation 2.
    """

    def of(self, group: Group, model: nn.Module, generator: torch.Generator) -> Tensor | None:
        """Return (units,) numbers with mean 1."""
        del generator
        return _magnitude(group, model, power=2)


def _magnitude(group: Group, model: nn.Module, power: int) -> Tensor:
    parts = []
    for member in group.producers:
        rows = parameter_of(model, member).movedim(member.axis, 0).flatten(1).abs()
        norms = rows.pow(power).mean(dim=1).pow(1 / power)
        worth = per_unit(norms, member)
        parts.append(worth / worth.mean().clamp_min(1e-12))
    return torch.stack(parts).mean(dim=0)
