"""Weights that share a few values go on sharing them while these values train."""

import torch
from torch import Tensor, nn

MOST_VALUES = 256
"""Of a tensor, or of one output channel, that count as shared."""

_FEWEST_MEMBERS = 2


class KeptSharing:
    """The shared values of a model's weights, moved by the gradients of all weights that share them.

    A weight tensor takes part when it has at most 256 distinct values beside zero, or each of its output channels has,
    and twice as many weights: training leaves no equal weights by chance. Zeros are left to `KeptZeros`.

    The step of a shared value is the mean of its members' steps: the gradient of the loss by that value, which is the
    sum of theirs, divided by how many they are, so that learning rates mean what they mean for weights of their own.

    Args:
        model: Its weights of two or more dimensions are looked at now.

    Source:
        Han, Mao and Dally 2016, Deep Compression, arXiv:1510.00149, section 3.3, equation 3.

    Example:
        >>> layer = nn.Linear(4, 1, bias=False)
        >>> layer.weight.data = torch.tensor([[1.0, 2.0, 1.0, 2.0]])
        >>> kept = KeptSharing(layer)
        >>> layer.weight.grad = torch.tensor([[1.0, 0.0, 3.0, 0.0]])
        >>> kept.share_gradients()
        >>> layer.weight.grad.tolist()
        [[2.0, 0.0, 2.0, 0.0]]
    """

    def __init__(self, model: nn.Module) -> None:
        self._groups: list[tuple[nn.Parameter, Tensor, Tensor]] = []
        for weight in model.parameters():
            if weight.ndim > 1 and weight.requires_grad and (found := _groups_of(weight.detach())) is not None:
                self._groups.append((weight, found, torch.bincount(found).clamp(min=1)))

    def __len__(self) -> int:
        """Return how many tensors share values."""
        return len(self._groups)

    @property
    def weights(self) -> int:
        """How many weights those tensors have."""
        return sum(weight.numel() for weight, _, _ in self._groups)

    @torch.no_grad()
    def share_gradients(self) -> None:
        """Give all weights that share a value the mean of their gradients."""
        for weight, groups, members in self._groups:
            if weight.grad is not None:
                weight.grad.copy_(_mean(weight.grad, groups, members))

    @torch.no_grad()
    def restore(self) -> None:
        """Make them equal to the bit again, which optimizers that work in blocks leave nearly so."""
        for weight, groups, members in self._groups:
            weight.copy_(_mean(weight, groups, members))


def _mean(tensor: Tensor, groups: Tensor, members: Tensor) -> Tensor:
    sums = torch.bincount(groups, weights=tensor.flatten().double(), minlength=len(members))
    return (sums / members).to(tensor.dtype)[groups].view(tensor.shape)


def _groups_of(weight: Tensor) -> Tensor | None:
    """Return a number for each weight, equal where they share a value; None where they do not."""
    rows = weight.flatten(1)
    if _few(rows.flatten()):
        whole: Tensor = torch.unique(rows.flatten(), return_inverse=True)[1]
        return whole
    if len(rows) < 2 or not all(_few(row) for row in rows):
        return None
    numbers, first = [], 0
    for row in rows:
        inverse = torch.unique(row, return_inverse=True)[1]
        numbers.append(inverse + first)
        first += int(inverse.max()) + 1
    return torch.cat(numbers)


def is_shared(weight: Tensor) -> bool:
    """Tell whether the weights of a tensor share a few values."""
    return weight.ndim > 1 and _groups_of(weight.detach()) is not None


def _few(values: Tensor) -> bool:
    distinct = torch.unique(values)
    count = len(distinct) - int((distinct == 0).any())
    return 0 < count <= MOST_VALUES and len(values) >= _FEWEST_MEMBERS * count
