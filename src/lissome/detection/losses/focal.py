"""Focal loss: cross entropy that cares less about what is easy already.

    FL(p) = -α_t · (1 - p_t)^γ · log p_t            p_t = p where an object is, 1 - p where none is

A detector has thousands of places and a handful of objects. With γ = 2 a place that is 90 % sure weighs 100 times less
than in cross entropy, so that the empty ones together do not drown the others.
"""

from torch import Tensor
from torch.nn import functional

from lissome.core.errors import SettingError
from lissome.core.hardness import focal


def focal_loss(logits: Tensor, targets: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Return the focal loss of each yes-or-no decision; sum it and divide by the number of objects.

    Args:
        logits: Scores before the sigmoid.
        targets: 1 where it is so, 0 where not; numbers in between are allowed.
        alpha: Weight of the yes, (0, 1); 1 - alpha is that of the no.
        gamma: How much less the easy ones weigh, ≥ 0; 0 leaves weighted cross entropy.

    Shape:
        (…) and the same to the same.

    Raises:
        SettingError: alpha or gamma is out of its range.

    Source:
        Lin et al. 2017, arXiv:1708.02002, Equation 5.

    Example:
        >>> import torch
        >>> focal_loss(torch.tensor([0.0]), torch.tensor([1.0])).item()  # 0.25 · 0.5² · ln 2
        0.0433...
    """
    if not 0 < alpha < 1:
        raise SettingError(f"alpha is {alpha}", where="focal_loss", fix="choose a value in (0, 1)")
    if gamma < 0:
        raise SettingError(f"gamma is {gamma}", where="focal_loss", fix="choose a value of at least 0")
    entropy = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    sure = logits.sigmoid()
    wrong = sure * (1 - targets) + (1 - sure) * targets
    weight = alpha * targets + (1 - alpha) * (1 - targets)
    return focal(weight * entropy, wrong, gamma)
