"""Soft targets in two parts: how sure the teacher is, and how it ranks the wrong classes."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.training.transfers.transfer import Answer, Transfer, class_numbers, require_positive

_HIDDEN = 1e4


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoupledTargets(Transfer):
    """T² · (target · KL of right against all wrong + others · KL among the wrong classes).

    Plain soft targets weigh the second part by the teacher's doubt, so a sure teacher hardly teaches it; here it has a
    weight of its own. With two classes there is nothing among the wrong ones.

    Args:
        weight: What the loss is multiplied by, > 0.
        temperature: T, > 0.
        target: Weight of the right class against the rest, ≥ 0.
        others: Weight of what is said of the wrong classes, > 0; the paper's is 1 to 10, 8 for CIFAR, reached over 20
            epochs of warming up. Short trainings bear less: by 3 epochs, 8 ruins what 1 does not.

    Source:
        Zhao et al. 2022, Decoupled Knowledge Distillation, arXiv:2203.08679, equation 7.
    """

    temperature: float = 4.0
    target: float = 1.0
    others: float = 1.0

    def __post_init__(self) -> None:
        require_positive(self, "weight", "temperature", "others")

    def loss(self, student: Answer, teacher: Answer, labels: Tensor, adapters: nn.ModuleList) -> Tensor:
        """Compare the logits."""
        del adapters
        right = functional.one_hot(class_numbers(labels), student.logits.shape[1]).bool()
        pairs = [one / self.temperature for one in (student.logits, teacher.logits.detach())]
        sure = _divergence(*(_against_the_rest(one, right) for one in pairs))
        # Far below all others, the right class takes no part.
        among = _divergence(*(functional.log_softmax(one - _HIDDEN * right, dim=1) for one in pairs))
        return self.temperature**2 * (self.target * sure + self.others * among)


def _against_the_rest(logits: Tensor, right: Tensor) -> Tensor:
    """Return log probabilities of the right class and of all others together, (N, 2)."""
    logs = functional.log_softmax(logits, dim=1)
    chosen = logs[right]
    rest = logs.masked_fill(right, -torch.inf).logsumexp(dim=1)
    return torch.stack((chosen, rest), dim=1)


def _divergence(student: Tensor, teacher: Tensor) -> Tensor:
    return functional.kl_div(student, teacher, reduction="batchmean", log_target=True)
