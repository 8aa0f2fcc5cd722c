"""Learn from the hard ones alone: the examples with the largest loss, or the background most like an object."""

import torch
from torch import Tensor

from lissome.core.errors import SettingError


def hard_examples(losses: Tensor, keep: int) -> Tensor:
    """Return the losses with all but the largest set to 0 (online hard example mining).

    Args:
        losses: One loss an example.
        keep: How many count, ≥ 1; all do where there are fewer.

    Shape:
        (N,) to the same.

    Raises:
        SettingError: keep is below 1.

    Source:
        Shrivastava et al. 2016, arXiv:1604.03540, Section 4.2.

    Example:
        >>> hard_examples(torch.tensor([0.1, 0.9, 0.5]), 2).tolist()
        [0.0, 0.899..., 0.5]
    """
    if keep < 1:
        raise SettingError(f"keep is {keep}", where="hard_examples", fix="choose at least 1")
    chosen = torch.zeros_like(losses, dtype=torch.bool)
    chosen[losses.detach().topk(min(keep, len(losses))).indices] = True
    return torch.where(chosen, losses, torch.zeros_like(losses))


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
    ranks = background.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return positive | ((ranks < wanted) & ~positive)
