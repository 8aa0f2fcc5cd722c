"""Focal loss for classes: cross entropy that cares less about images that are easy already."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from lissome.core.errors import SettingError
from lissome.core.hardness import focal
from lissome.training.losses.loss import Loss, as_shares


@dataclass(frozen=True, slots=True, kw_only=True)
class Focal(Loss):
    """Cross entropy of which each class's part weighs ``(1 - p)^gamma``, p its softmax.

    Args:
        gamma: How much less the sure ones weigh, ≥ 0; 0 is the cross entropy.

    Raises:
        SettingError: gamma is below 0.

    Source:
        Lin et al. 2017, arXiv:1708.02002, Equation 4, with softmax for its sigmoid.

    Example:
        >>> import torch
        >>> Focal(gamma=2)(torch.zeros(1, 2), torch.tensor([0])).item()  # 0.5² · ln 2
        0.1732...
    """

    gamma: float = 2.0

    def __post_init__(self) -> None:
        if not self.gamma >= 0:
            raise SettingError(f"gamma is {self.gamma}", where="Focal", fix="choose a value of at least 0")

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean over the batch."""
        logs = functional.log_softmax(logits, 1)
        losses = -as_shares(target, logits.shape[1]) * logs
        return focal(losses, 1 - logs.exp(), self.gamma).sum(1).mean()
