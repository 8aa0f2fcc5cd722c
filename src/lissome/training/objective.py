"""What training makes small: the task's loss, with a teacher's if there is one."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lissome.core.errors import BadModelError
from lissome.training.distillation import soft_target_loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """The loss of a network on a batch.

    Args:
        hard: The loss of (output, labels).
        dtype: What the layers compute in; losses are always float32.
        teacher: Returns logits of images; None trains without.
        temperature: Of the soft answers.
        alpha: Weight of the soft loss, [0, 1].

    Example:
        >>> objective = Objective(hard=nn.functional.cross_entropy, dtype=torch.float32)
        >>> objective(nn.Identity(), torch.zeros(2, 4), torch.tensor([0, 1])).item()
        1.3862...
    """

    hard: Callable[[Tensor, Tensor], Tensor]
    dtype: torch.dtype
    teacher: Callable[[Tensor], Tensor] | None = None
    temperature: float = 4.0
    alpha: float = 0.9

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, a scalar that a gradient can be taken of."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            output = model(images)
        output = output.float()
        loss = self.hard(output, labels)
        if self.teacher is None:
            return loss
        answer = self.teacher(images)
        if answer.shape != output.shape:
            raise BadModelError(
                f"gives {tuple(answer.shape[1:])}, the network {tuple(output.shape[1:])}",
                where="teacher",
                fix="give a teacher of the same classes",
            )
        return self.alpha * soft_target_loss(output, answer, self.temperature) + (1 - self.alpha) * loss
