"""A channel is worth what its batch normalisation multiplies it by."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lissome.compression.pruning.scores.score import Score, parameter_of, per_unit
from lissome.tracing.groups import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNormScale(Score):
    """Mean absolute scale γ of the normalisations that the channel passes; silent where it passes none.

    Source:
        Liu et al. 2017, Learning Efficient Convolutional Networks through Network Slimming, arXiv:1708.06519,
        section 3.
    """

    def of(self, group: Group, model: nn.Module, generator: torch.Generator) -> Tensor | None:
        """Return (units,) numbers ≥ 0, or None where no normalisation with scales is passed."""
        del generator
        parts = [
            per_unit(parameter_of(model, member).abs(), member)
            for member in group.members
            if member.role == "scales"
            and member.parameter == "weight"
            and isinstance(model.get_submodule(member.layer), _BatchNorm)
        ]
        return torch.stack(parts).mean(dim=0) if parts else None
