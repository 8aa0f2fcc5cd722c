"""Where the teacher looks."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.training.transfers.transfer import Answer, FeatureTransfer


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionTransfer(FeatureTransfer):
    """Squared distance between the attention maps: squares summed over channels, brought to length 1.

    Student and teacher may differ in channels; a map of another size is resampled to the teacher's.

    Args:
        weight: What the loss is multiplied by, > 0. Distances of unit vectors are small: the default is 10.

    Source:
        Zagoruyko and Komodakis 2017, Paying More Attention to Attention, arXiv:1612.03928, equation 2.
    """

    weight: float = 10.0

    def loss(self, student: Answer, teacher: Answer, labels: Tensor, adapters: nn.ModuleList) -> Tensor:
        """Compare the maps, each pair weighing the same."""
        del labels, adapters
        losses = []
        for one, other in zip(student.features, teacher.features, strict=True):
            seen, shown = attention(one), attention(other.detach())
            if seen.shape != shown.shape:
                seen = functional.interpolate(seen[:, None], size=shown.shape[1:], mode="bilinear")[:, 0]
            distance = functional.normalize(seen.flatten(1)) - functional.normalize(shown.flatten(1))
            losses.append(distance.square().sum(dim=1).mean())
        return torch.stack(losses).mean()


def attention(maps: Tensor) -> Tensor:
    """Return the sum of squares over channels.

    Shape:
        (N, C, H, W) to (N, H, W).

    Example:
        >>> attention(torch.ones(1, 3, 2, 2)).flatten().tolist()
        [3.0, 3.0, 3.0, 3.0]
    """
    return maps.float().square().sum(dim=1)
