"""Weights that pruning has set to zero stay zero while the others train."""

import torch
from torch import Tensor, nn


class KeptZeros:
    """The zeros of a model's weights, set anew after each step of the optimizer.

    A weight tensor takes part when some but not all of its entries are exactly zero: training leaves none by chance,
    and a layer that starts as nothing but zeros is meant to learn.

    Args:
        model: Its weights of two or more dimensions are looked at now.

    Example:
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> layer.weight.data = torch.tensor([[0.0, 1.0]])
        >>> kept = KeptZeros(layer)
        >>> layer.weight.data += 1
        >>> kept.restore()
        >>> layer.weight.tolist(), kept.zeros
        ([[0.0, 2.0]], 1)
    """

    def __init__(self, model: nn.Module) -> None:
        self._masks: list[tuple[nn.Parameter, Tensor]] = []
        for weight in model.parameters():
            zero = weight.detach() == 0
            if weight.ndim > 1 and weight.requires_grad and zero.any() and not zero.all():
                self._masks.append((weight, zero))

    def __len__(self) -> int:
        """Return how many tensors have zeros to keep."""
        return len(self._masks)

    @property
    def zeros(self) -> int:
        """How many zeros there are."""
        return sum(int(mask.sum()) for _, mask in self._masks)

    @torch.no_grad()
    def restore(self) -> None:
        """Set them to zero again."""
        for weight, mask in self._masks:
            weight.masked_fill_(mask, 0.0)  # a product would leave -0.0, which has a bit set
