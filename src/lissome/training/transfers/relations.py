"""How the images of a batch lie to each other in the teacher's eyes."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.core.errors import SettingError
from lissome.training.transfers.transfer import Answer, Transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class Relations(Transfer):
    """Distances between the answers to two images, and angles between those to three, as the teacher has them.

    The answers are the logits, which student and teacher share whatever their widths. Distances are shares of their
    mean, so that scale does not matter. A batch of N images has N³ angles.

    Args:
        weight: What the loss is multiplied by, > 0.
        distances: Weight of the distances, ≥ 0.
        angles: Weight of the angles, ≥ 0; twice that of the distances in the paper.

    Source:
        Park et al. 2019, Relational Knowledge Distillation, arXiv:1904.05068, equations 5 and 8.
    """

    distances: float = 1.0
    angles: float = 2.0

    def __post_init__(self) -> None:
        Transfer.__post_init__(self)
        if min(self.distances, self.angles) < 0 or self.distances + self.angles == 0:
            raise SettingError(
                f"distances is {self.distances}, angles {self.angles}",
                where="Relations",
                fix="choose values of at least 0, one of them above",
            )

    def loss(self, student: Answer, teacher: Answer, labels: Tensor, adapters: nn.ModuleList) -> Tensor:
        """Compare the relations by Huber's loss."""
        del labels, adapters
        made, shown = student.logits, teacher.logits.detach()
        total = made.new_zeros(())
        if self.distances:
            total = total + self.distances * functional.smooth_l1_loss(_distances(made), _distances(shown))
        if self.angles:
            total = total + self.angles * functional.smooth_l1_loss(_angles(made), _angles(shown))
        return total


def _distances(points: Tensor) -> Tensor:
    """Return the distances of all pairs, (N · (N - 1) / 2,), as shares of their mean."""
    found = functional.pdist(points)
    return found / found.detach().mean().clamp_min(1e-12) if len(found) else found.new_zeros(1)


def _angles(points: Tensor) -> Tensor:
    """Return the cosines of all angles, (N, N, N): of the corner first."""
    arms = functional.normalize(points[None] - points[:, None], dim=2)
    return torch.bmm(arms, arms.transpose(1, 2))
