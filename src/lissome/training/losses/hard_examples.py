"""Learn from the hard images of a batch alone."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from lissome.core.errors import SettingError
from lissome.core.hardness import hardest
from lissome.training.losses.loss import Loss


@dataclass(frozen=True, slots=True, kw_only=True)
class HardExamples(Loss):
    """The mean cross entropy of the images of a batch with the largest (online hard example mining).

    Args:
        share: Of the batch that counts, (0, 1]; at least one image. 1 is the cross entropy.

    Raises:
        SettingError: The share is out of its range.

    Source:
        Shrivastava et al. 2016, arXiv:1604.03540, Section 4.2, with images for its regions.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[9.0, 0.0], [0.0, 0.0]])
        >>> HardExamples(share=0.5)(logits, torch.tensor([0, 0])).item()
        0.6931...
    """

    share: float = 0.7

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise SettingError(f"share is {self.share}", where="HardExamples", fix="choose a value in (0, 1]")

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean over the hard images."""
        losses = functional.cross_entropy(logits, target, reduction="none")
        return losses[hardest(losses, max(1, round(self.share * len(losses))))].mean()
