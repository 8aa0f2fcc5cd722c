import pytest
import torch

from lissome.core.seeded import seeded


def test_what_is_drawn_depends_on_the_seed_alone_and_the_callers_generator_stays():
    before = torch.get_rng_state()
    with seeded(3):
        first = torch.rand(4)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    with seeded(3):
        assert torch.equal(torch.rand(4), first)


def test_without_a_seed_the_callers_generator_moves_on():
    before = torch.get_rng_state()
    with seeded(None):
        torch.rand(4)
    assert not torch.equal(torch.get_rng_state(), before)


def test_the_generator_is_put_back_after_an_error_too():
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match="x"), seeded(3):
        torch.rand(1)
        raise ValueError("x")
    assert torch.equal(torch.get_rng_state(), before)
