"""Label tensors: an activation's shape, filled with channel ids; where ids repeat along a dimension its stride is 0."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from lissome.tracing.channel_sets import ChannelSets


def spread(ids: Tensor, shape: Sequence[int], axis: int) -> Tensor:
    """Return labels of a shape whose ids differ along one axis only; takes no memory.

    Shape:
        ids: (shape[axis],).

    Example:
        >>> spread(torch.tensor([4, 5]), (1, 2, 2), 1).tolist()
        [[[4, 4], [5, 5]]]
    """
    layout = [1] * len(shape)
    layout[axis] = len(ids)
    return ids.view(layout).expand(tuple(shape))


def compact(labels: Tensor) -> Tensor:
    """Return the labels with every dimension along which they surely repeat cut to one position."""
    for dimension, stride in enumerate(labels.stride()):
        if stride == 0 and labels.shape[dimension] > 1:
            labels = labels.narrow(dimension, 0, 1)
    return labels


def varying(labels: Tensor) -> list[int]:
    """Return the dimensions along which labels differ."""
    small = compact(labels)
    return [
        dimension
        for dimension, size in enumerate(small.shape)
        if size > 1 and not bool((small == small.narrow(dimension, 0, 1)).all())
    ]


def tidy(labels: Tensor) -> Tensor:
    """Return equal labels that take no memory along the dimensions where they repeat."""
    free = varying(labels)
    small = labels
    for dimension in set(range(labels.dim())) - set(free):
        small = small.narrow(dimension, 0, min(1, small.shape[dimension]))
    return small.contiguous().expand(labels.shape)


def hold(labels: Tensor, axes: Iterable[int], sets: ChannelSets, reason: str) -> None:
    """Make sure that nothing is ever removed along some axes.

    What differs along them is tied, so that only whole slices across them can go; where nothing else differs, all of
    it stays.
    """
    held = [axis % labels.dim() for axis in axes]
    free = varying(labels)
    if not set(free) & set(held):
        return
    if set(free) <= set(held):
        sets.freeze(compact(labels), reason)
        return
    small = compact(labels)
    for axis in held:
        sets.unite(small.narrow(axis, 0, 1).expand_as(small), small)


def along(labels: Tensor, axis: int, sets: ChannelSets) -> Tensor:
    """Return one id for each index of an axis, tying ids that share an index.

    Returns:
        Shape (labels.shape[axis],).
    """
    hold(labels, [one for one in range(labels.dim()) if one != axis], sets, "mixed along another axis than channels")
    small = compact(labels)
    ids = small.movedim(axis, 0).reshape(small.shape[axis], -1)[:, 0]
    return ids.expand(labels.shape[axis]) if len(ids) == 1 else ids


def make_rectangular(labels: Tensor, sets: ChannelSets) -> None:
    """Tie ids so that whatever is removed, what is left of this tensor is again a full rectangle.

    A view that splits channels into (groups, channels a group) is the case: the rows of all groups are tied, so that
    the groups stay equal. Of several ways the one that leaves the most units is taken.
    """
    if len(varying(labels)) < 2:
        return
    roots = sets.roots(compact(labels))
    free = varying(roots)
    if len(free) < 2:
        return

    def units(axis: int) -> int:
        return len(torch.unique(roots.movedim(axis, 0).flatten(1), dim=0))

    best = max(free, key=lambda axis: (units(axis), axis))
    hold(roots, [axis for axis in free if axis != best], sets, "")


def survivors(labels: Tensor, kept: Tensor) -> list[int]:
    """Return the shape of what is left of a tensor, given which ids are kept.

    Shape:
        kept: (number of ids,) bool.

    Example:
        >>> survivors(torch.tensor([[1, 2], [1, 2]]), torch.tensor([True, True, False]))
        [2, 1]
    """
    return [kept_before(labels, axis, size, kept) for axis, size in enumerate(labels.shape)]


def kept_before(labels: Tensor, axis: int, position: int, kept: Tensor) -> int:
    """Return how many of the first `position` indices of an axis are left."""
    small = compact(labels)
    if small.shape[axis] != labels.shape[axis]:
        return position
    others = [other for other in range(small.dim()) if other != axis]
    alive = kept[small]
    line = alive.amax(others) if others else alive
    return int(line[:position].sum())


def empty_like(shape: Sequence[int]) -> Tensor:
    """Return labels of a shape that say "nothing here can be pruned"."""
    return torch.zeros(1, dtype=torch.int64).expand(tuple(shape)) if shape else torch.zeros((), dtype=torch.int64)
