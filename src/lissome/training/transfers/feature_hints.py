"""The teacher's feature maps themselves."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.training.transfers.transfer import Answer, FeatureTransfer


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureHints(FeatureTransfer):
    """Mean squared difference between the teacher's maps and the student's, brought to their channels by a 1x1.

    The 1x1 convolutions are trained with the student and left behind. A map of another size is resampled to the
    teacher's.

    Source:
        Romero et al. 2015, FitNets: Hints for Thin Deep Nets, arXiv:1412.6550, equation 3.
    """

    def adapters(self, student: Sequence[torch.Size], teacher: Sequence[torch.Size]) -> nn.ModuleList:
        """Return a 1x1 convolution a pair of layers."""
        pairs = zip(student, teacher, strict=True)
        return nn.ModuleList(nn.Conv2d(one[1], other[1], 1) for one, other in pairs)

    def loss(self, student: Answer, teacher: Answer, labels: Tensor, adapters: nn.ModuleList) -> Tensor:
        """Compare the maps, each pair weighing the same."""
        del labels
        pairs = zip(student.features, teacher.features, adapters, strict=True)
        losses = []
        for one, other, adapter in pairs:
            brought = adapter(one.float())
            if brought.shape[2:] != other.shape[2:]:
                brought = functional.interpolate(brought, size=other.shape[2:], mode="bilinear")
            losses.append(functional.mse_loss(brought, other.detach().float()))
        return torch.stack(losses).mean()
