"""The teacher's softened answers."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from lissome.training.transfers.transfer import Answer, Transfer, require_positive


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftTargets(Transfer):
    """T² · KL between the softened answers: what the teacher thinks of all classes, the wrong ones too.

    Args:
        weight: What the loss is multiplied by, > 0.
        temperature: T, > 0: at 1 the right class drowns the others, at 4 to 20 they are heard. T² keeps the gradient's
            size, which softening shrinks by as much.

    Source:
        Hinton, Vinyals and Dean 2015, arXiv:1503.02531, Section 2.
    """

    temperature: float = 4.0

    def __post_init__(self) -> None:
        require_positive(self, "weight", "temperature")

    def loss(self, student: Answer, teacher: Answer, labels: Tensor, adapters: nn.ModuleList) -> Tensor:
        """Compare the logits."""
        del labels, adapters
        return soft_target_loss(student.logits, teacher.logits, self.temperature)


def soft_target_loss(student: Tensor, teacher: Tensor, temperature: float = 4.0) -> Tensor:
    """Return how far the student's softened answers are from the teacher's.

        T² · KL(softmax(teacher / T) ‖ softmax(student / T)), the mean over the batch

    The factor T² keeps the gradient's size independent of the temperature.

    Args:
        student: Logits, (N, classes).
        teacher: Logits, (N, classes); no gradient flows into them.
        temperature: > 0; higher shows more of what the teacher thinks of the wrong classes.

    Returns:
        A scalar, ≥ 0.

    Source:
        Hinton, Vinyals and Dean 2015, arXiv:1503.02531, Section 2.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[1.0, 2.0]])
        >>> soft_target_loss(logits, logits).item()
        0.0
    """
    log_student = functional.log_softmax(student / temperature, dim=1)
    log_teacher = functional.log_softmax(teacher.detach() / temperature, dim=1)
    divergence = functional.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
    return divergence * temperature**2
