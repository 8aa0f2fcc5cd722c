"""Groups of channels that must stay equal in number: those of grouped convolutions and of group normalisation.

Two ways to make sure of it. By position: what has the same place in its group goes together; this fits views that split
channels into (groups, channels a group). By count: units are put together until each bundle has as many channels of
every group; this fits shuffles and concatenations whose groups lie across the convolution's.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor

from lissome.tracing.channel_sets import ChannelSets

Numbers = npt.NDArray[np.int64]
Signature = tuple[tuple[int, int], ...]
"""How many channels a set has more than its share, by group: pairs of (number of the group, excess)."""

Constraint = tuple[Tensor, int]
"""Channel ids, shape (groups · channels a group,), and the number of groups."""


def tie_by_position(sets: ChannelSets, constraints: Sequence[Constraint]) -> None:
    """Tie the ids that have the same place in their groups."""
    for ids, groups in constraints:
        rows = ids.reshape(groups, -1)
        sets.unite(rows[:1].expand_as(rows), rows)


def tie_by_count(sets: ChannelSets, constraints: Sequence[Constraint]) -> None:
    """Tie sets so that each holds as many channels of every group; those for which this cannot be stay whole.

    Sets that are alike to all groups can stand for each other. Of each kind a bundle takes as many as there are for it,
    with as many bundles as can be; what is over is put together in the same way again.

    Example:
        >>> import torch
        >>> sets = ChannelSets()
        >>> ids = sets.fresh(6)
        >>> sets.unite(ids[:2], ids[2:4])
        >>> tie_by_count(sets, [(ids, 2)])
        >>> sets.roots(ids).tolist()
        [1, 2, 1, 2, 1, 1]
    """
    for kinds in _components(_signatures(sets, constraints)):
        left = [list(roots) for roots in kinds.values()]
        for bundle in _bundles(list(kinds), left):
            for other in bundle[1:]:
                sets.unite_ids(bundle[0], other)
        for one in (root for roots in left for root in roots):
            sets.freeze_id(one, "its groups would not stay equal")


def _signatures(sets: ChannelSets, constraints: Sequence[Constraint]) -> dict[int, Signature]:
    """Return the excess of each set that is not balanced by itself, in the order of the network."""
    excess: dict[int, list[tuple[int, int]]] = {}
    seen: set[bytes] = set()
    first = 0
    for ids, groups in constraints:
        roots = sets.roots(ids).numpy().reshape(groups, -1)
        key = groups.to_bytes(4, "little") + roots.tobytes()
        if key in seen:
            continue
        seen.add(key)
        distinct, where = np.unique(roots, return_inverse=True)
        counts = np.zeros((len(distinct), groups), np.int64)
        np.add.at(counts, (where.reshape(-1), np.arange(groups).repeat(roots.shape[1])), 1)
        # Shares are multiplied by the number of groups, so that they stay whole numbers.
        over = groups * counts - counts.sum(axis=1, keepdims=True)
        for row in np.flatnonzero(over.any(axis=1)).tolist():
            root = int(distinct[row])
            if sets.reason(root) is None:
                places = np.flatnonzero(over[row]).tolist()
                excess.setdefault(root, []).extend((first + place, int(over[row][place])) for place in places)
        first += groups
    return {root: tuple(excess[root]) for root in sorted(excess)}


def _components(signatures: dict[int, Signature]) -> Iterator[dict[Signature, list[int]]]:
    """Yield the sets by their signatures, those apart that share no group even through others."""
    component_of: dict[int, int] = {}
    members: dict[int, dict[Signature, list[int]]] = {}
    for root, signature in signatures.items():
        touched = sorted({component_of[group] for group, _ in signature if group in component_of})
        home = touched[0] if touched else len(component_of) + len(members)
        kinds = members.setdefault(home, {})
        for other in touched[1:]:
            for kind, roots in members.pop(other).items():
                kinds.setdefault(kind, []).extend(roots)
            component_of = {group: home if one == other else one for group, one in component_of.items()}
        kinds.setdefault(signature, []).append(root)
        component_of |= {group: home for group, _ in signature}
    yield from members.values()


def _bundles(kinds: list[Signature], left: list[list[int]]) -> Iterator[list[int]]:
    """Yield bundles whose excesses cancel out, as many as can be, and take them out of what is left of each kind."""
    groups = {group: number for number, group in enumerate({group for kind in kinds for group, _ in kind})}
    table = np.zeros((len(kinds), len(groups)), np.int64)
    for row, kind in enumerate(kinds):
        for group, over in kind:
            table[row, groups[group]] = over
    while any(left):
        counts = np.array([len(one) for one in left])
        each = next((one for one in _tries(counts) if not (one @ table).any()), None)
        if each is None:
            return
        for _ in range(int((counts[each > 0] // each[each > 0]).min())):
            yield [root for one, some in zip(left, each.tolist(), strict=True) for root in one[:some]]
            for one, some in zip(left, each.tolist(), strict=True):
                del one[:some]


def _tries(counts: Numbers) -> Iterator[Numbers]:
    """Yield how many of each kind a bundle would take, for ever fewer bundles."""
    last = np.zeros_like(counts)
    for number in range(int(counts.max()), 0, -1):
        each = counts // number
        if not np.array_equal(each, last):
            yield each
        last = each
