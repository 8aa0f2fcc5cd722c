"""Which examples count, against a sort and against powers by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lissome.core.hardness import focal, hardest


@given(st.lists(st.integers(0, 5), min_size=1, max_size=9), st.integers(0, 10))
def test_the_hardest_are_those_a_stable_sort_puts_first(losses, count):
    first = sorted(range(len(losses)), key=lambda place: -losses[place])[:count]
    assert hardest(torch.tensor(losses).float(), count).nonzero()[:, 0].tolist() == sorted(first)


def test_each_row_has_a_number_of_its_own():
    losses = torch.tensor([[3.0, 1, 2], [1, 3, 2]])
    chosen = hardest(losses, torch.tensor([[1], [2]]))
    assert chosen.tolist() == [[True, False, False], [False, True, True]]


def test_only_the_hardest_have_a_gradient():
    losses = torch.tensor([0.3, 2.0, 0.1, 1.0], requires_grad=True)
    losses[hardest(losses, 2)].sum().backward()
    assert losses.grad.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_is_a_power_of_what_is_wrong_and_its_slope_is_finite(gamma):
    wrong = torch.tensor([0.0, 0.25, 1.0], requires_grad=True)
    found = focal(torch.tensor([0.0, 2.0, 3.0]), wrong, gamma)
    assert found.tolist() == pytest.approx([0, 2 * 0.25**gamma, 3])
    found.sum().backward()
    assert torch.isfinite(wrong.grad).all()
