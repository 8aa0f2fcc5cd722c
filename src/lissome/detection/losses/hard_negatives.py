"""Learn from the background that is most like an object, and not from all the rest of it."""

import torch
from torch import Tensor

from lissome.core.errors import SettingError
from lissome.core.hardness import hardest


def hard_negatives(losses: Tensor, positive: Tensor, *, ratio: float = 3.0, least: int = 1) -> Tensor:
    """Return which places count: all with an object, and in each image the emptiest-looking mistakes beside them.

    Args:
        losses: The loss of each place as background.
        positive: Where an object is.
        ratio: Places without an object for each with one, > 0. Default 3.
        least: So many in an image without objects, ≥ 0.

    Shape:
        (N, places) and the same, boolean, to the same, boolean.

    Raises:
        SettingError: ratio or least is out of its range.

    Source:
        Liu et al. 2015 (SSD), arXiv:1512.02325, Section 2.2, "Hard negative mining".

    Example:
        >>> losses, positive = torch.tensor([[0.2, 0.9, 0.5, 0.1]]), torch.tensor([[True, False, False, False]])
        >>> hard_negatives(losses, positive, ratio=1).tolist()
        [[True, True, False, False]]
    """
    if ratio <= 0:
        raise SettingError(f"ratio is {ratio}", where="hard_negatives", fix="choose a value above 0")
    if least < 0:
        raise SettingError(f"least is {least}", where="hard_negatives", fix="choose a value of at least 0")
    wanted = (positive.sum(1, keepdim=True) * ratio).long().clamp(min=least)
    background = losses.detach().masked_fill(positive, -torch.inf)
    return positive | (hardest(background, wanted) & ~positive)
