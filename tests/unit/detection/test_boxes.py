"""Forms of boxes, and what is none."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import lissome as ls
from lissome.detection.boxes import areas, clip, from_centres, from_distances, require_boxes, to_centres

boxes = st.lists(st.tuples(*[st.integers(0, 50)] * 4), min_size=1, max_size=6).map(
    lambda rows: torch.tensor([[x, y, x + w, y + h] for x, y, w, h in rows], dtype=torch.float32)
)


@given(boxes)
def test_both_ways_give_the_same_box(some):
    assert torch.equal(from_centres(to_centres(some)), some)
    point = (some[:, :2] + some[:, 2:]) / 2
    assert torch.equal(from_distances(point, torch.cat([point - some[:, :2], some[:, 2:] - point], 1)), some)


@given(boxes)
def test_a_cut_box_is_inside_and_no_larger(some):
    cut = clip(some, 30, 20)
    assert (cut >= 0).all()
    assert (cut[:, 0::2] <= 20).all()
    assert (cut[:, 1::2] <= 30).all()
    assert (areas(cut) <= areas(some)).all()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (torch.zeros(4), r"boxes are \(4,\)"),
        (torch.tensor([[0.0, 0, 1, 1], [3, 0, 2, 1]]), r"box 1 is \[3.0, 0.0, 2.0, 1.0\]"),
        (torch.tensor([[0.0, 0, float("nan"), 1]]), "box 0"),
    ],
)
def test_what_is_no_box_is_refused(wrong, words):
    with pytest.raises(ls.BadDataError, match=words):
        require_boxes(wrong, "labels")
