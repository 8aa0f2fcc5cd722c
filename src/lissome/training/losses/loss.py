"""What every training loss is: settings, and a call that compares logits with a target."""

from abc import ABC, abstractmethod

from torch import Tensor
from torch.nn import functional


class Loss(ABC):
    """Compares a batch's logits with what is right; subclasses are frozen dataclasses of settings."""

    __slots__ = ()

    @abstractmethod
    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Shape:
            logits: (N, classes). target: class numbers (N,), or shares of classes (N, classes).
        """


def as_shares(target: Tensor, classes: int) -> Tensor:
    """Return class numbers as shares, and shares as they are: (N, classes) float32.

    Example:
        >>> import torch
        >>> as_shares(torch.tensor([1]), 3).tolist()
        [[0.0, 1.0, 0.0]]
    """
    return target if target.is_floating_point() else functional.one_hot(target, classes).float()
