"""Overlaps against values worked out by hand, and what holds for all boxes."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lissome.detection.overlaps import ciou, diou, giou, iou

# Two squares of side 2, shifted by 1 in x: they share 2 of 6; around them 3x2; centres 1 apart, diagonal² 9 + 4.
SHIFTED = ([0.0, 0, 2, 2], [1.0, 0, 3, 2])
# Squares of side 1 in opposite corners of a square of side 3: nothing shared, 2 of 9 covered, centres² 8, diagonal² 18.
APART = ([0.0, 0, 1, 1], [2.0, 2, 3, 3])
# 2x2 around the same centre as 4x1: they share 2 of 6, C is 4x2 = 8; shape term 4/π² (atan 4 - atan 1)².
CROSSED = ([0.0, 0, 2, 2], [-1.0, 0.5, 3, 1.5])
V = 4 / math.pi**2 * (math.atan(4) - math.atan(1)) ** 2

HAND = [
    (iou, SHIFTED, 1 / 3),
    (giou, SHIFTED, 1 / 3),
    (diou, SHIFTED, 1 / 3 - 1 / 13),
    (ciou, SHIFTED, 1 / 3 - 1 / 13),
    (iou, APART, 0),
    (giou, APART, -7 / 9),
    (diou, APART, -8 / 18),
    (ciou, APART, -8 / 18),
    (iou, CROSSED, 1 / 3),
    (giou, CROSSED, 1 / 3 - 2 / 8),
    (diou, CROSSED, 1 / 3),
    (ciou, CROSSED, 1 / 3 - V * V / (1 - 1 / 3 + V)),
]
corners = st.tuples(*[st.floats(-50, 50, width=32)] * 2, *[st.floats(0, 60, width=32)] * 2).map(
    lambda one: [one[0], one[1], one[0] + one[2], one[1] + one[3]]
)


@pytest.mark.parametrize(("overlap", "pair", "expected"), HAND)
def test_equals_the_value_by_hand(overlap, pair, expected):
    first, second = map(torch.tensor, pair)
    assert overlap(first, second).item() == pytest.approx(expected, abs=1e-6)
    assert overlap(second, first).item() == pytest.approx(expected, abs=1e-6)


@given(corners, corners)
def test_stays_in_its_range_and_in_its_order(first, second):
    first, second = torch.tensor(first), torch.tensor(second)
    plain, general, distance, complete = (float(one(first, second)) for one in (iou, giou, diou, ciou))
    assert 0 <= plain <= 1 + 1e-6
    assert -1 - 1e-6 <= general <= plain + 1e-6
    assert -1 - 1e-6 <= distance <= plain + 1e-6
    assert -2 - 1e-6 <= complete <= distance + 1e-6


@given(corners.filter(lambda box: box[2] - box[0] > 0.1 and box[3] - box[1] > 0.1))
def test_a_box_is_itself(box):
    box = torch.tensor(box)
    for overlap in (iou, giou, diou, ciou):
        assert overlap(box, box).item() == pytest.approx(1, abs=1e-5)


@given(corners, st.sampled_from((giou, diou, ciou)))
def test_gradients_are_finite_for_boxes_apart_and_for_boxes_of_no_area(box, overlap):
    box, far = torch.tensor(box, requires_grad=True), torch.tensor([300.0, 300, 310, 320])
    value = overlap(box, far)
    value.backward()
    assert torch.isfinite(box.grad).all()
    assert box.grad.abs().max() > 0, "no way to go"
    with torch.no_grad():
        nearer = overlap(box + 50, far)
    assert nearer > value


def test_pairs_broadcast():
    some = torch.rand(5, 4).sort(1).values
    matrix = giou(some[:, None], some[None, :3])
    assert matrix.shape == (5, 3)
    assert torch.equal(matrix[4, 2], giou(some[4], some[2]))
