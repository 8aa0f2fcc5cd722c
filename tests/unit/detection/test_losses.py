"""Losses against values worked out by hand, the definition, and a brute-force search."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

import lissome as ls
from lissome.detection.losses import (
    BOX_LOSSES,
    OBJECTNESS_LOSSES,
    box_loss,
    focal_loss,
    hard_negatives,
    objectness_loss,
)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("l1", 0.5), ("mse", 0.5), ("iou", 2 / 3), ("giou", 2 / 3), ("diou", 2 / 3 + 1 / 13), ("ciou", 2 / 3 + 1 / 13)],
)
def test_a_box_loss_equals_the_value_by_hand(kind, expected):
    predicted, target = torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[1.0, 0, 3, 2]])
    assert box_loss(predicted, target, kind).tolist() == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize("kind", BOX_LOSSES)
def test_descent_brings_a_box_onto_another(kind):
    # The plain IoU has no gradient where boxes do not touch; that is why the others exist.
    box = torch.tensor([[2.0, 2, 9, 7]] if kind == "iou" else [[9.0, 10, 15, 18]], requires_grad=True)
    target = torch.tensor([[1.0, 3, 7, 9]])
    optimizer = torch.optim.Adam([box], lr=0.5)
    before = box_loss(box, target, kind).item()
    for step in range(200):
        optimizer.param_groups[0]["lr"] = 0.5 * (1 - step / 200)
        optimizer.zero_grad()
        box_loss(box, target, kind).sum().backward()
        optimizer.step()
    assert box_loss(box, target, kind).item() < 0.2 * before


def test_other_shapes_are_refused():
    with pytest.raises(ls.ShapeError, match=r"\(2, 4\) and \(3, 4\)"):
        box_loss(torch.zeros(2, 4), torch.zeros(3, 4))
    with pytest.raises(ls.UnknownNameError, match="siou"):
        box_loss(torch.zeros(2, 4), torch.zeros(2, 4), "siou")
    with pytest.raises(ls.ShapeError, match=r"\(2, 4\) and \(2, 3\)"):
        objectness_loss(torch.zeros(2, 4), torch.zeros(2, 3))
    with pytest.raises(ls.UnknownNameError, match="ohem"):
        objectness_loss(torch.zeros(2, 4), torch.zeros(2, 4), "ohem")


def test_focal_loss_equals_equation_5():
    logit = math.log(9)  # 90 % sure
    found = focal_loss(torch.tensor([logit, logit]), torch.tensor([1.0, 0.0]), alpha=0.25, gamma=2)
    expected = [-0.25 * 0.1**2 * math.log(0.9), -0.75 * 0.9**2 * math.log(0.1)]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_focal_loss_of_gamma_0_is_weighted_cross_entropy():
    logits, targets = torch.randn(20), torch.randint(2, (20,)).float()
    entropy = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    assert torch.allclose(focal_loss(logits, targets, alpha=0.5, gamma=0), entropy / 2)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_has_finite_gradients_for_sure_answers(gamma):
    logits = torch.tensor([-200.0, 200, -200, 200], requires_grad=True)
    focal_loss(logits, torch.tensor([0.0, 1, 1, 0]), gamma=gamma).sum().backward()
    assert torch.isfinite(logits.grad).all()


@given(st.lists(st.tuples(st.integers(0, 100), st.booleans()), min_size=1, max_size=12), st.sampled_from((1.0, 3.0)))
def test_hard_negatives_are_those_a_sort_finds(rows, ratio):
    losses = torch.tensor([[loss + place / 1000 for place, (loss, _) in enumerate(rows)]])
    positive = torch.tensor([[one for _, one in rows]])
    chosen = hard_negatives(losses, positive, ratio=ratio, least=1)[0]
    negatives = sorted((place for place, (_, one) in enumerate(rows) if not one), key=lambda place: -losses[0, place])
    count = max(1, int(ratio * positive.sum()))
    expected = {place for place, (_, one) in enumerate(rows) if one} | set(negatives[:count])
    assert set(chosen.nonzero()[:, 0].tolist()) == expected


def test_objectness_losses_equal_the_values_by_hand():
    logits, wanted = torch.tensor([[0.0, 0.0, 1.0, -1.0, 2.0]]), torch.tensor([[1.0, 0, 0, 0, 0]])
    entropies = [math.log(2)] + [math.log(1 + math.exp(one)) for one in (0, 1, -1, 2)]
    wrong = [0.5] + [1 / (1 + math.exp(-one)) for one in (0, 1, -1, 2)]
    alphas = [0.25] + [0.75] * 4
    expected = {
        "cross_entropy": sum(entropies) / 5,
        "focal": sum(a * w**2 * e for a, w, e in zip(alphas, wrong, entropies, strict=True)),
        "hard_negatives": sum(entropies[place] for place in (0, 1, 2, 4)) / 4,
    }
    assert sorted(expected) == sorted(OBJECTNESS_LOSSES)
    for kind, value in expected.items():
        assert objectness_loss(logits, wanted, kind).item() == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("kind", OBJECTNESS_LOSSES)
def test_pictures_without_objects_teach_where_none_is(kind):
    logits = torch.zeros(2, 9, requires_grad=True)
    objectness_loss(logits, torch.zeros(2, 9), kind).backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad >= 0).all()
    assert (logits.grad.sum(1) > 0).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: focal_loss(x, x, alpha=0), "alpha is 0"),
        (lambda x: focal_loss(x, x, gamma=-1), "gamma is -1"),
        (lambda x: hard_negatives(x[None], x[None] > 0, ratio=0), "ratio is 0"),
        (lambda x: hard_negatives(x[None], x[None] > 0, least=-1), "least is -1"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(call, words):
    with pytest.raises(ls.SettingError, match=words):
        call(torch.zeros(3))
