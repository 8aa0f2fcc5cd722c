import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lissome.core.errors import BadDataError
from lissome.data.hold_out import hold_out, stratified_order

LABELS = st.lists(st.integers(0, 5), min_size=2, max_size=80).map(np.array)


@given(labels=LABELS)
@settings(max_examples=60, deadline=None)
def test_every_beginning_of_the_order_is_stratified(labels: np.ndarray) -> None:
    order = stratified_order(labels)
    assert sorted(order.tolist()) == list(range(len(labels)))
    for label in np.unique(labels):
        share = (labels == label).mean()
        counts = np.cumsum(labels[order] == label)
        assert np.all(np.abs(counts - share * np.arange(1, len(labels) + 1)) <= len(np.unique(labels)))


@given(labels=LABELS, seed=st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_parts_are_disjoint_complete_and_leave_no_class_empty(labels: np.ndarray, seed: int) -> None:
    if max(np.bincount(labels)) < 2:
        with pytest.raises(BadDataError, match="two images"):
            hold_out(labels, seed=seed)
        return
    kept, held_out = hold_out(labels, seed=seed)
    assert sorted([*kept, *held_out]) == list(range(len(labels)))
    assert set(labels[kept]) == set(labels)
    repeated = {label for label in labels if (labels == label).sum() > 1}
    assert set(labels[held_out]) == repeated


def test_the_share_is_ten_percent_but_at_most_five_thousand() -> None:
    assert len(hold_out(np.arange(1_000) % 10, seed=0)[1]) == 100
    labels = np.arange(100_000) % 10
    held_out = hold_out(labels, seed=0)[1]
    assert np.bincount(labels[held_out]).tolist() == [500] * 10


def test_the_seed_decides() -> None:
    labels = np.arange(200) % 2
    first, again, other = (hold_out(labels, seed=seed)[1].tolist() for seed in (0, 0, 1))
    assert first == again != other
