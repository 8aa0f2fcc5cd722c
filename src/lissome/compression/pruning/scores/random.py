"""A channel is worth a random number: the baseline that every other score must beat."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lissome.compression.pruning.scores.score import Score
from lissome.tracing.groups import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Random(Score):
    """Uniform random numbers from the context's seed."""

    def of(self, group: Group, model: nn.Module, generator: torch.Generator) -> Tensor | None:
        """Return (units,) numbers in [0, 1)."""
        del model
        return torch.rand(len(group), generator=generator)
