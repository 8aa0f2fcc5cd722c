"""A channel is worth a random number: the baseline that every other score must beat."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lissome.compression.pruning.scores.score import Score
from lissome.core.context import Context
from lissome.tracing.groups import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Random(Score):
    """Uniform random numbers from the context's seed."""

    def of(self, groups: Sequence[Group], model: nn.Module, context: Context) -> list[Tensor | None]:
        """Return (units,) numbers in [0, 1) for each group."""
        del model
        generator = context.generator("PruneChannels")
        return [torch.rand(len(group), generator=generator) for group in groups]
