"""A channel is worth what the loss would rise by if its weights were zero, to second order at a minimum."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lissome.compression.pruning.scores.gradients import gradients
from lissome.compression.pruning.scores.score import LayerwiseScore, parameter_of, require_images, rows_of
from lissome.core.context import Context, Need
from lissome.tracing.groups import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class HessianDiagonal(LayerwiseScore):
    """Optimal brain damage: ``½ Σ h_k w_k²`` over each filter, with h the diagonal of the Hessian.

    The diagonal is that of the empirical Fisher matrix, the mean over images of the squared gradient of one image's
    loss. It equals the Hessian's where the network predicts the distribution of the labels, and is never negative.

    Args:
        images: Training images, ≥ 1; each needs a backward pass of its own. Default 64.

    Source:
        LeCun, Denker and Solla 1989, Optimal Brain Damage, equation 5; the Fisher matrix in its place as in
        Theis et al. 2018, arXiv:1801.05787, section 2.1.
    """

    images: int = 64

    def __post_init__(self) -> None:
        super(HessianDiagonal, self).__post_init__()
        require_images(self.images, "HessianDiagonal")

    def requires(self) -> tuple[Need, ...]:
        """Training images and a loss."""
        return (Need.TASK,)

    def of(self, groups: Sequence[Group], model: nn.Module, context: Context) -> list[Tensor | None]:
        """Return (units,) numbers ≥ 0 for each group."""
        members = {one.path: one for group in groups for one in group.weights}
        squares = {path: torch.zeros_like(parameter_of(model, one)) for path, one in members.items()}
        for found in gradients(model, list(members), context, images=self.images, batch_size=1):
            for path, gradient in found.items():
                squares[path] += gradient.square()
        images = min(self.images, len(context.require_task().train))
        risen = {path: squares[path] / images * parameter_of(model, one).square() / 2 for path, one in members.items()}

        def worth(group: Group) -> Tensor | None:
            return self.combined((one, rows_of(risen[one.path], one).sum(dim=1)) for one in group.weights)

        return [worth(group) for group in groups]
