"""A channel is worth what the loss would change by if its weights were zero, to first order."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lissome.compression.pruning.scores.gradients import gradients
from lissome.compression.pruning.scores.score import LayerwiseScore, parameter_of, require_images, rows_of
from lissome.core.context import Context, Need
from lissome.tracing.groups import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Taylor(LayerwiseScore):
    """Squared first-order change of the loss: the mean over batches of (Σ gradient · weight)², over each filter.

    Args:
        images: Training images, ≥ 1. Default 256.
        batch_size: Images a gradient, ≥ 1. Default 32.

    Source:
        Molchanov et al. 2019, Importance Estimation for Neural Network Pruning, arXiv:1906.10771, equation 8 with the
        joint contribution of section 3.1.
    """

    images: int = 256
    batch_size: int = 32

    def __post_init__(self) -> None:
        super(Taylor, self).__post_init__()
        require_images(min(self.images, self.batch_size), "Taylor")

    def requires(self) -> tuple[Need, ...]:
        """Training images and a loss."""
        return (Need.TASK,)

    def of(self, groups: Sequence[Group], model: nn.Module, context: Context) -> list[Tensor | None]:
        """Return (units,) numbers ≥ 0 for each group."""
        members = {(one.path, one.axis): one for group in groups for one in group.weights}
        totals: dict[tuple[str, int], Tensor] = {}
        paths = list(dict.fromkeys(path for path, _ in members))
        steps = gradients(model, paths, context, images=self.images, batch_size=self.batch_size)
        for found in steps:
            for key, member in members.items():
                change = rows_of(found[key[0]] * parameter_of(model, member), member).sum(dim=1)
                totals[key] = totals.get(key, torch.zeros_like(change)) + change.square()
        batches = math.ceil(min(self.images, len(context.require_task().train)) / self.batch_size)
        return [self.combined((one, totals[one.path, one.axis] / batches) for one in group.weights) for group in groups]
