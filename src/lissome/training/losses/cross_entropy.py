"""Cross entropy, with smoothed labels if asked for."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from lissome.core.errors import SettingError
from lissome.training.losses.loss import Loss


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossEntropy(Loss):
    """The cross entropy; with smoothing a share of each target is given to all classes evenly.

    Args:
        smoothing: That share, [0, 1).

    Raises:
        SettingError: The share is out of its range.

    Source:
        Smoothing: Szegedy et al. 2015, arXiv:1512.00567, Section 7.

    Example:
        >>> import torch
        >>> CrossEntropy(smoothing=0.1)(torch.zeros(2, 4), torch.tensor([0, 3])).item()
        1.3862...
    """

    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1:
            raise SettingError(f"smoothing is {self.smoothing}", where="CrossEntropy", fix="choose a value in [0, 1)")

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean over the batch."""
        return functional.cross_entropy(logits, target, label_smoothing=self.smoothing)
