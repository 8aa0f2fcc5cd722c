"""How much an example counts by how hard it is: the less the surer (focal), or the hardest alone.

    focal:  w · loss,  w = wrong^γ                  wrong: by how much the answer misses, [0, 1]
    mining: the k largest losses count, the others do not

Networks that say what is where, and those that only say what, learn by the same two.
"""

from torch import Tensor


def focal(losses: Tensor, wrong: Tensor, gamma: float) -> Tensor:
    """Return the losses, each weighed by how wrong its answer is.

    Args:
        losses: One an example.
        wrong: Distance of each answer from the truth, [0, 1].
        gamma: How much less the easy ones weigh, ≥ 0; 0 leaves the losses as they are.

    Shape:
        (…) and the same to the same.

    Source:
        Lin et al. 2017, arXiv:1708.02002, Equation 4.

    Example:
        >>> import torch
        >>> focal(torch.tensor([2.0, 2.0]), torch.tensor([1.0, 0.5]), 2.0).tolist()
        [2.0, 0.5]
    """
    # A power below 1 has an infinite slope at 0.
    return wrong.clamp(min=1e-9) ** gamma * losses


def hardest(losses: Tensor, count: int | Tensor) -> Tensor:
    """Return which examples have the largest losses, in each row; of equal ones the first.

    Args:
        losses: One an example, along the last dimension.
        count: How many count: a number, or one a row (…, 1); all do where there are fewer.

    Shape:
        (…, N) to the same, boolean.

    Source:
        Shrivastava et al. 2016 (online hard example mining), arXiv:1604.03540, Section 4.2.

    Example:
        >>> import torch
        >>> hardest(torch.tensor([[0.1, 0.9, 0.5], [0.3, 0.2, 0.1]]), torch.tensor([[2], [1]])).tolist()
        [[False, True, True], [True, False, False]]
    """
    ranks = losses.detach().argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
    return ranks < count
