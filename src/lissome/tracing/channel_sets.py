"""Channel ids and which of them must live and die together (union-find)."""

import numpy as np
import torch
from torch import Tensor

FIXED = 0
"""The id of everything that pruning never removes: constants, and what no rule understands."""


class ChannelSets:
    """Hands out channel ids, unites them, and remembers which sets must stay whole and why.

    Example:
        >>> sets = ChannelSets()
        >>> first, second = sets.fresh(2), sets.fresh(2)
        >>> sets.unite(first, second)
        >>> sets.roots(first).tolist() == sets.roots(second).tolist()
        True
    """

    def __init__(self) -> None:
        self._parents: list[int] = [FIXED]
        self._reasons: dict[int, str] = {FIXED: "constant"}

    def fresh(self, count: int) -> Tensor:
        """Return `count` new ids, shape (count,)."""
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        return torch.arange(first, first + count)

    def unite(self, left: Tensor, right: Tensor) -> None:
        """Tie the ids that meet at equal positions; a fixed id ties nothing but keeps its partner.

        Shape:
            left, right: equal shapes.
        """
        # Pairs as single numbers: those sort much faster.
        pairs = np.unique(left.reshape(-1).numpy() * len(self) + right.reshape(-1).numpy())
        for one, other in zip(*(part.tolist() for part in np.divmod(pairs, len(self))), strict=True):
            if one != other:
                self._unite(one, other)

    def unite_ids(self, one: int, other: int) -> None:
        """Tie two ids."""
        self._unite(one, other)

    def freeze_id(self, one: int, reason: str) -> None:
        """Keep an id and all that are tied to it whole."""
        self._reasons.setdefault(self._find(one), reason)

    def copy(self) -> "ChannelSets":
        """Return sets of the same ids and ties that can be tied further by themselves."""
        twin = ChannelSets()
        twin._parents, twin._reasons = list(self._parents), dict(self._reasons)
        return twin

    def freeze(self, labels: Tensor, reason: str) -> None:
        """Keep these ids, and all that are or will be tied to them, whole."""
        for one in np.unique(labels.numpy()).tolist():
            self._reasons.setdefault(self._find(one), reason)

    def roots(self, labels: Tensor) -> Tensor:
        """Return the representative of each id's set; equal shape."""
        distinct, positions = np.unique(labels.numpy(), return_inverse=True)
        found = np.array([self._find(one) for one in distinct.tolist()], dtype=np.int64)
        return torch.from_numpy(found[positions].reshape(labels.shape))

    def reason(self, root: int) -> str | None:
        """Return why a set must stay whole, or None where it may be pruned."""
        return self._reasons.get(self._find(root))

    def __len__(self) -> int:
        return len(self._parents)

    def _find(self, one: int) -> int:
        while self._parents[one] != one:
            self._parents[one] = self._parents[self._parents[one]]
            one = self._parents[one]
        return one

    def _unite(self, one: int, other: int) -> None:
        low, high = sorted((self._find(one), self._find(other)))
        if low == high:
            return
        if low == FIXED:
            self._reasons.setdefault(high, "meets a constant channel by channel")
            return
        self._parents[high] = low
        if high in self._reasons:
            self._reasons.setdefault(low, self._reasons.pop(high))
