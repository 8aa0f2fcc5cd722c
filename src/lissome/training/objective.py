"""What training makes small: the task's loss, with a teacher's lesson if there is one."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lissome.training.lesson import Lesson
from lissome.training.losses.refined_labels import RefinedLabels


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """The loss of a network on a batch.

    Args:
        hard: The loss of (output, labels); `RefinedLabels` takes the place of the lesson and asks its teacher.
        dtype: What the layers compute in; losses are always float32.
        lesson: What a teacher adds; None trains without.
        alpha: Weight of the lesson, [0, 1]; the hard loss has the rest.

    Example:
        >>> objective = Objective(hard=nn.functional.cross_entropy, dtype=torch.float32)
        >>> objective(nn.Identity(), torch.zeros(2, 4), torch.tensor([0, 1])).item()
        1.3862...
    """

    hard: Callable[[Tensor, Tensor], Tensor]
    dtype: torch.dtype
    lesson: Lesson | None = None
    alpha: float = 0.9

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, a scalar that a gradient can be taken of."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            output = model(images)
        output = output.float()
        if isinstance(self.hard, RefinedLabels) and self.lesson is not None:
            return self.hard(output, self.hard.refined(labels, self.lesson.shown(output, images).logits))
        loss = self.hard(output, labels)
        if self.lesson is None:
            return loss
        return self.alpha * self.lesson(output, images, labels) + (1 - self.alpha) * loss
