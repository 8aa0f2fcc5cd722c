"""Channels of every group go in equal number: by position, by count, and whole groups where there are many."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from lissome.tracing.channel_sets import ChannelSets
from lissome.tracing.equal_groups import tie_by_count, tie_by_position


def counts(sets, ids, groups):
    """Return of each set how many channels of each group it has."""
    rows = sets.roots(ids).view(groups, -1)
    return {root: (rows == root).sum(1).tolist() for root in set(rows.flatten().tolist())}


def test_by_position():
    sets = ChannelSets()
    ids = sets.fresh(6)
    tie_by_position(sets, [(ids, 3)])
    assert sets.roots(ids).tolist() == [1, 2, 1, 2, 1, 2]


@given(st.sampled_from([2, 3, 4, 6]), st.integers(1, 8), st.randoms(use_true_random=False))
def test_by_count_every_set_is_balanced_or_whole(groups, size, random):
    sets = ChannelSets()
    ids = sets.fresh(groups * size)
    tied = [(random.randrange(len(ids)), random.randrange(len(ids))) for _ in range(size)]
    for one, other in tied:
        sets.unite_ids(int(ids[one]), int(ids[other]))
    frozen = random.randrange(len(ids))
    sets.freeze(ids[frozen : frozen + 1], "test")
    other = torch.tensor(random.sample(ids.tolist(), len(ids)))
    constraints = [(ids, groups), (other, 2)] if len(ids) % 2 == 0 else [(ids, groups)]
    tie_by_count(sets, constraints)
    for numbers, parts in constraints:
        for root, found in counts(sets, numbers, parts).items():
            assert len(set(found)) == 1 or sets.reason(root) is not None


def test_by_count_takes_as_few_as_can_be():
    sets = ChannelSets()
    ids = sets.fresh(12)
    tie_by_count(sets, [(ids, 3)])
    assert sorted(counts(sets, ids, 3).values()) == [[1, 1, 1]] * 4


def test_a_shuffle_across_the_groups():
    # 24 channels in 3 groups, shuffled: every third place belongs to the same group of 8, which 3 does not divide.
    sets = ChannelSets()
    ids = sets.fresh(24)
    shuffled = ids.view(3, 8).T.reshape(-1)
    sets.unite(ids.view(3, 8)[:1].expand(3, 8), ids.view(3, 8))
    positions = sets.copy()
    tie_by_position(positions, [(shuffled, 3)])
    tie_by_count(sets, [(shuffled, 3)])
    assert len(counts(positions, ids, 3)) == 1
    assert sorted(map(max, counts(sets, shuffled, 3).values())) == [2, 3, 3]
