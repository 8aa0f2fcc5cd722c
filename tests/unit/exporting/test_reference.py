import pytest
import torch
from torch import nn

from lissome.exporting.reference import Reference
from lissome.exporting.samples import Samples


class Tied(nn.Module):
    """Keeps a number that adding and subtracting 1 does not make smaller."""

    def forward(self, x):
        return x * (x + 1 - 1 >= x)


def reference():
    # A last bit that adding 1 rounds away in float32; in float64 there is room for it.
    numbers = torch.rand(400, generator=torch.Generator().manual_seed(0))
    return Reference(Tied(), Samples((numbers[numbers + 1 - 1 < numbers][:16].reshape(2, 8),), "ties"))


def test_the_ties_of_the_sample_flip_in_float32():
    one = reference()
    assert (one.outputs[0] == 0).all()
    assert (one.exact[0] > 0).all()


def test_what_agrees_with_float64_is_taken_and_says_how_far_float32_is():
    one = reference()
    parity = one.compare(one.exact, engine="demo").require()
    assert parity.float32_rel == pytest.approx(1.0)
    assert parity.note == "agrees with the network in float64, from which PyTorch's own float32 is 1.0e+00 away"
    assert parity.to_dict()["float32_rel"] == parity.float32_rel
    assert one.behind(parity) is one.exact


def test_what_agrees_with_float32_needs_no_other():
    one = reference()
    parity = one.compare(one.outputs, engine="demo").require()
    assert (parity.float32_rel, parity.note) == (None, "")
    assert one.behind(parity) is one.outputs


def test_a_float32_that_rounds_badly_excuses_no_error_of_the_engine():
    one = reference()
    wrong = one.exact[0].copy()
    wrong[0, 0] += 5e-3
    parity = one.compare([wrong], engine="demo")
    assert parity.failure is not None
    assert parity.float32_rel is None


def test_a_plain_mistake_is_refused_as_before():
    model = nn.Linear(3, 2).eval()
    one = Reference(model, Samples((torch.randn(4, 3),), "noise"))
    parity = one.compare([one.outputs[0] * 1.5], engine="demo")
    assert parity.failure == "output differs by 5.0e-01 of its largest value, more than 0.001"


def test_a_network_that_cannot_be_run_in_float64_is_compared_in_float32_alone():
    class Fixed(nn.Module):
        def forward(self, x):
            return x @ torch.eye(3)

    one = Reference(Fixed(), Samples((torch.randn(2, 3),), "noise"))
    assert one.exact is None
    assert one.compare([one.outputs[0] + 1], engine="demo").failure
