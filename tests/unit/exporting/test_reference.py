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
    assert parity.note == "is 0.0e+00 from the network in float64, from which PyTorch's own float32 is 1.0e+00"
    assert parity.to_dict()["float32_rel"] == parity.float32_rel
    assert one.behind(parity) is one.exact


def test_what_agrees_with_float32_needs_no_other():
    one = reference()
    parity = one.compare(one.outputs, engine="demo").require()
    assert (parity.float32_rel, parity.note) == (None, "")
    assert one.behind(parity) is one.outputs


def with_one_tie():
    """A value of 1 % of the largest flips in float32, of two samples of 500."""
    values = torch.full((2, 500), 0.25)  # adding 1 to these loses nothing
    values[:, 0] = 1.0
    numbers = torch.rand(4000, generator=torch.Generator().manual_seed(0)) / 64
    values[1, 1] = numbers[(numbers > 0.009) & (numbers < 0.011) & (numbers + 1 - 1 < numbers)][0]
    return Reference(Tied(), Samples((values,), "one tie"))


def shifted(values, count, by):
    made = values.copy()
    made[1, 10 : 10 + count] += by
    return made


def test_a_value_may_be_as_far_from_float64_as_float32_is():
    one = with_one_tie()
    assert (one.outputs[0] != one.exact[0]).sum() == 1
    parity = one.compare([shifted(one.exact[0], 1, 0.008)], engine="demo").require()
    assert parity.outputs[0].max_rel == pytest.approx(0.008, rel=1e-4)
    assert 0.009 < parity.float32_rel < 0.011
    assert parity.limits.max_rel == parity.float32_rel
    assert one.behind(parity) is one.exact


@pytest.mark.parametrize(("count", "by"), [(1, 0.012), (100, 0.008)], ids=["one farther", "many as far"])
def test_nothing_may_be_farther_than_float32_is(count, by):
    one = with_one_tie()
    parity = one.compare([shifted(one.exact[0], count, by)], engine="demo")
    assert parity.failure is not None
    assert parity.float32_rel is None


def test_a_far_value_of_one_output_excuses_none_of_another():
    class Two(nn.Module):
        def forward(self, x):
            return x * (x + 1 - 1 >= x), x * 2

    one = Reference(Two(), with_one_tie().samples)
    flipped, doubled = one.exact
    assert one.compare([shifted(flipped, 1, 0.008), doubled], engine="demo").failure is None
    assert one.compare([flipped, shifted(doubled, 1, 0.016)], engine="demo").failure is not None


def test_a_float32_that_is_wrong_altogether_excuses_nothing():
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
