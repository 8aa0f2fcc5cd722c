"""A channel is worth how active it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from lissome.compression.pruning.scores.activations import statistics, watched
from lissome.compression.pruning.scores.score import LayerwiseScore, require_images
from lissome.core.context import Context, Need
from lissome.tracing.groups import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationMean(LayerwiseScore):
    """Mean absolute activation on training images, as read by the layers behind.

    Args:
        images: Training images, ≥ 1. Default 256.

    Source:
        Molchanov et al. 2017, arXiv:1611.06440, section 2.2, "Activation".
    """

    normalize: Literal["none", "mean", "max"] = "mean"
    images: int = 256

    def __post_init__(self) -> None:
        super(ActivationMean, self).__post_init__()
        require_images(self.images, "ActivationMean")

    def requires(self) -> tuple[Need, ...]:
        """Training images."""
        return (Need.TASK,)

    def of(self, groups: Sequence[Group], model: nn.Module, context: Context) -> list[Tensor | None]:
        """Return (units,) numbers ≥ 0 for each group; None where no plain layer shows the channels."""
        shown = [watched(group, model) for group in groups]
        members = [one for each in shown for one in each]
        means = statistics(model, members, context, self.images, lambda maps: maps.abs().mean(dim=(2, 3)))
        return [self.combined((one, means[one.layer, one.role]) for one in each) for each in shown]
