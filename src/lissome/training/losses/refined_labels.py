"""Labels that a teacher has gone over."""

from dataclasses import dataclass, field

from torch import Tensor

from lissome.core.errors import SettingError
from lissome.training.losses.cross_entropy import CrossEntropy
from lissome.training.losses.focal import Focal
from lissome.training.losses.hard_examples import HardExamples
from lissome.training.losses.loss import Loss, as_shares


@dataclass(frozen=True, slots=True, kw_only=True)
class RefinedLabels(Loss):
    """A loss against ``(1 - trust) · label + trust · teacher's answer``.

    The teacher answers for each image as it was augmented, so that a crop that shows little is not called what the
    whole is. Where distillation adds a second loss, here any loss sees the one refined target. Needs a teacher, whom
    `Train` asks.

    Args:
        trust: In the teacher, [0, 1]; 1 leaves the labels out.
        loss: What compares with the refined labels.

    Raises:
        SettingError: trust is out of its range.

    Source:
        Bagherinezhad et al. 2018 (Label Refinery), arXiv:1805.02641, Section 3, where trust is 1.

    Example:
        >>> import torch
        >>> RefinedLabels(trust=0.5).refined(torch.tensor([0]), torch.zeros(1, 2)).tolist()
        [[0.75, 0.25]]
    """

    trust: float = 0.7
    loss: CrossEntropy | Focal | HardExamples = field(default_factory=CrossEntropy)

    def __post_init__(self) -> None:
        if not 0 <= self.trust <= 1:
            raise SettingError(f"trust is {self.trust}", where="RefinedLabels", fix="choose a value in [0, 1]")

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss against a target that is refined already."""
        return self.loss(logits, target)

    def refined(self, target: Tensor, answer: Tensor) -> Tensor:
        """Return the labels mixed with the softmax of a teacher's logits, (N, classes)."""
        believed = answer.detach().softmax(1)
        return (1 - self.trust) * as_shares(target, answer.shape[1]) + self.trust * believed
