"""The teacher's feature maps themselves."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.training.transfers.transfer import Answer, FeatureTransfer

_LEAST = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureHints(FeatureTransfer):
    """Mean squared difference between the teacher's maps and the student's.

    Where the channels differ in number, a 1x1 convolution brings the student's to the teacher's; it is trained with the
    student and left behind. Where they do not, as at the heads of a pruned detector, the maps themselves are compared.
    A map of another size is resampled to the teacher's.

    Args:
        relative: Whether each difference is divided by the mean square of the teacher's map, so that weights mean the
            same in every network.

    Source:
        Romero et al. 2015, FitNets: Hints for Thin Deep Nets, arXiv:1412.6550, equation 3.
    """

    relative: bool = False

    def adapters(self, student: Sequence[torch.Size], teacher: Sequence[torch.Size]) -> nn.ModuleList:
        """Return a 1x1 convolution for each pair of layers that needs one."""
        pairs = ((one[1], other[1]) for one, other in zip(student, teacher, strict=True))
        return nn.ModuleList(nn.Identity() if one == other else nn.Conv2d(one, other, 1) for one, other in pairs)

    def loss(self, student: Answer, teacher: Answer, labels: Tensor, adapters: nn.ModuleList) -> Tensor:
        """Compare the maps, each pair weighing the same."""
        del labels
        pairs = zip(student.features, teacher.features, adapters, strict=True)
        losses = []
        for one, other, adapter in pairs:
            brought = adapter(one.float())
            if brought.shape[2:] != other.shape[2:]:
                brought = functional.interpolate(brought, size=other.shape[2:], mode="bilinear")
            target = other.detach().float()
            difference = functional.mse_loss(brought, target)
            losses.append(difference / target.square().mean().clamp(min=_LEAST) if self.relative else difference)
        return torch.stack(losses).mean()
