"""A channel is worth what its batch normalisation multiplies it by."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lissome.compression.pruning.scores.score import LayerwiseScore, parameter_of
from lissome.core.context import Context
from lissome.tracing.groups import Group, Member


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNormScale(LayerwiseScore):
    """Mean absolute scale γ of the normalisations that the channel passes; silent where it passes none.

    Source:
        Liu et al. 2017, Learning Efficient Convolutional Networks through Network Slimming, arXiv:1708.06519,
        section 3.
    """

    def of(self, groups: Sequence[Group], model: nn.Module, context: Context) -> list[Tensor | None]:
        """Return (units,) numbers ≥ 0 for each group, or None where no normalisation with scales is passed."""
        del context
        return [self.combined(_scales(group, model)) for group in groups]


def _scales(group: Group, model: nn.Module) -> Iterator[tuple[Member, Tensor]]:
    for member in group.members:
        norm = isinstance(model.get_submodule(member.layer), _BatchNorm)
        if norm and member.role == "scales" and member.parameter == "weight":
            yield member, parameter_of(model, member).abs()
