"""Every suppression against the paper's own loop, box by box in Python."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import lissome as ls
from lissome.detection.overlaps import diou, iou
from lissome.detection.suppression import DistanceNms, GreedyNms, SoftNms
from lissome.detection.suppression.in_blocks import BLOCK, iou_exceeds

# Whole-numbered sides make equal overlaps and touching boxes likely, few scores make ties likely.
scenes = st.lists(
    st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(0, 8)] * 2, st.integers(1, 9), st.integers(0, 2)), max_size=25
)


def scene(rows):
    boxes = torch.tensor([[x, y, x + w, y + h] for x, y, w, h, _, _ in rows], dtype=torch.float32).reshape(-1, 4)
    return boxes, torch.tensor([row[4] / 10 for row in rows]), torch.tensor([row[5] for row in rows])


def one_by_one(boxes, scores, groups, overlap, threshold):
    left = sorted(range(len(boxes)), key=lambda place: (-scores[place].item(), place))
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [one for one in left if groups[one] != groups[best] or overlap(boxes[best], boxes[one]) <= threshold]
    return kept


@given(scenes, st.sampled_from((0.0, 0.3, 0.45, 0.5, 1.0)))
def test_greedy_equals_the_loop(rows, threshold):
    boxes, scores, groups = scene(rows)
    kept, with_scores = GreedyNms(threshold=threshold)(boxes, scores, groups)
    assert kept.tolist() == one_by_one(boxes, scores, groups, iou, threshold)
    assert torch.equal(with_scores, scores[kept])


@given(scenes, st.sampled_from((-0.5, 0.3, 0.45)))
def test_by_distance_equals_the_loop(rows, threshold):
    boxes, scores, groups = scene(rows)
    kept, _ = DistanceNms(threshold=threshold)(boxes, scores, groups)
    assert kept.tolist() == one_by_one(boxes, scores, groups, diou, threshold)


@given(scenes, st.sampled_from(("linear", "gaussian")), st.sampled_from((0.001, 0.2)))
def test_soft_equals_the_papers_loop(rows, kind, least):
    boxes, scores, groups = scene(rows)
    scores = scores + torch.arange(len(rows)) * 0.00137  # equal scores would be told apart by rounding alone
    believed = {place: score for place, score in enumerate(scores.double().tolist()) if score >= least}
    expected = []
    while believed:
        best = max(believed, key=believed.__getitem__)
        expected.append((best, believed.pop(best)))
        for place in list(believed):
            shared = float(iou(boxes[best], boxes[place])) if groups[best] == groups[place] else 0.0
            factor = math.exp(-(shared**2) / 0.5) if kind == "gaussian" else (1 - shared if shared > 0.31 else 1)
            believed[place] *= factor
            if believed[place] < least:
                del believed[place]
    kept, found = SoftNms(kind=kind, threshold=0.31, least=least)(boxes, scores, groups)
    # Scores that differ by rounding alone may change places.
    assert sorted(kept.tolist()) == sorted(place for place, _ in expected)
    assert found.tolist() == pytest.approx([score for _, score in expected], abs=1e-4)


def test_more_boxes_than_a_block_and_a_chain_through_all_of_them():
    # Each box overlaps its neighbours alone, so that every second one stays; the answer for one rests on all before it.
    count = 3 * BLOCK + 7
    left = torch.arange(count) * 4.0
    boxes = torch.stack([left, torch.zeros(count), left + 7, torch.ones(count)], 1)
    kept, _ = GreedyNms(threshold=0.2)(boxes, torch.linspace(1, 0, count))
    assert kept.tolist() == list(range(0, count, 2))


def test_many_random_boxes_equal_the_loop_in_every_image_and_class():
    count = 600
    corners = torch.rand(count, 2) * 60
    boxes = torch.cat([corners, corners + torch.rand(count, 2) * 30], 1)
    scores, images, classes = torch.rand(count), torch.randint(3, (count,)), torch.randint(4, (count,))
    together, _ = GreedyNms()(boxes, scores, images * 4 + classes)
    alone = []
    for image in range(3):
        for one in range(4):
            places = ((images == image) & (classes == one)).nonzero()[:, 0]
            alone += places[GreedyNms()(boxes[places], scores[places])[0]].tolist()
    assert sorted(together.tolist()) == sorted(alone)
    assert scores[together].tolist() == sorted(scores[together].tolist(), reverse=True)


@given(scenes.filter(len), st.sampled_from((0.0, 0.3, 0.5, 1 / 3)))
def test_the_quick_comparison_rounds_as_the_overlap_does(rows, threshold):
    boxes, _, _ = scene(rows)
    assert torch.equal(iou_exceeds(boxes, boxes, threshold).bool(), iou(boxes[:, None], boxes) > threshold)


def test_large_group_numbers_are_told_apart():
    boxes, near = torch.tensor([[0.0, 0, 4, 4]]).repeat(3, 1), torch.tensor([2**24, 2**24 + 1, 2**24])
    assert GreedyNms()(boxes, torch.tensor([0.9, 0.8, 0.7]), near)[0].tolist() == [0, 1]


@pytest.mark.parametrize("way", [GreedyNms(), DistanceNms(), SoftNms()])
def test_of_no_box_none_stays(way):
    kept, scores = way(torch.zeros(0, 4), torch.zeros(0))
    assert kept.tolist() == scores.tolist() == []
    with pytest.raises(ls.ShapeError, match=r"\(3, 4\), \(2,\)"):
        way(torch.zeros(3, 4), torch.zeros(2))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: GreedyNms(threshold=1.5), "GreedyNms: threshold is 1.5"),
        (lambda: DistanceNms(threshold=-2), "DistanceNms: threshold is -2"),
        (lambda: SoftNms(kind="hard"), "kind is hard"),
        (lambda: SoftNms(sigma=0), "sigma is 0"),
        (lambda: SoftNms(least=-1), "least is -1"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(make, words):
    with pytest.raises(ls.SettingError, match=words):
        make()
