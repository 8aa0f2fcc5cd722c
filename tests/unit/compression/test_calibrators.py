"""One pass in batches sees what all values together are, and each calibrator finds its range."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lissome.compression.quantization.calibrators import (
    Aciq,
    Calibrator,
    Entropy,
    MeanSquaredError,
    MinMax,
    MovingAverage,
    Percentile,
    Range,
)
from lissome.compression.quantization.formats import Int8, Uniform
from lissome.core.errors import SettingError

ALL: list[Calibrator] = [MinMax(), MovingAverage(), Percentile(), MeanSquaredError(), Entropy(), Aciq()]


def _seen(values: torch.Tensor, batches: int = 1) -> Range:
    seen = Range()
    for one in values.chunk(batches):
        seen.update(one)
    return seen


def _outliers(seed: int = 0) -> torch.Tensor:
    values = torch.randn(60_000, generator=torch.Generator().manual_seed(seed))
    values[::20_000] = 60.0
    return values


@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.integers(0, 1000), st.floats(1e-3, 1e3))
def test_batches_give_the_histogram_of_all_values(sizes: list[int], seed: int, factor: float) -> None:
    generator = np.random.default_rng(seed)
    batches = [torch.from_numpy(generator.normal(size=size) * factor * (n + 1)).float() for n, size in enumerate(sizes)]
    seen, whole = Range(), Range()
    for one in batches:
        seen.update(one)
    whole.update(torch.cat(batches))
    assert (seen.low, seen.high, seen.width) == (whole.low, whole.high, whole.width)
    assert np.array_equal(seen.counts, whole.counts)


@pytest.mark.parametrize("one", ALL, ids=repr)
@pytest.mark.parametrize("kind", ["normal", "rectified", "constant", "zero", "negative", "tiny"])
def test_a_range_lies_within_what_was_seen(one: Calibrator, kind: str) -> None:
    values = {
        "normal": _outliers(),
        "rectified": _outliers().relu(),
        "constant": torch.full((50,), 3.0),
        "zero": torch.zeros(50),
        "negative": -_outliers().abs(),
        "tiny": _outliers() * 1e-20,
    }[kind]
    for levels in (16, 256):
        low, high = one.choose(_seen(values, batches=3), levels)
        assert min(float(values.min()), 0.0) - 1e-6 <= low <= high <= max(float(values.max()), 0.0) + 1e-6
        scale, zero = Int8().activation_scale(low, high)
        assert scale > 0
        assert 0 <= zero <= 255


@pytest.mark.parametrize("one", [Percentile(percent=99.9), MeanSquaredError(), Entropy(), Aciq()], ids=repr)
def test_outliers_do_not_decide(one: Calibrator) -> None:
    values = _outliers()
    low, high = one.choose(_seen(values, batches=4), 16)
    clipped, whole = (Uniform(bits=4, per="tensor").quantizer(*ends)(values) for ends in ((low, high), (-4.5, 60.0)))
    usual = values.abs() < 5
    assert high < 20
    assert (clipped - values)[usual].square().mean() < (whole - values)[usual].square().mean() / 4


def test_the_least_squared_error_is_less_than_that_of_others() -> None:
    values = _outliers().relu()
    seen = _seen(values)

    def error(one: Calibrator) -> float:
        return float((Uniform(bits=4, per="tensor").quantizer(*one.choose(seen, 16))(values) - values).square().mean())

    least = error(MeanSquaredError())
    assert least < error(MinMax())
    assert all(least <= error(one) * 1.02 for one in ALL)


def test_a_large_batch_is_sampled_and_its_extremes_are_not() -> None:
    values = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0))
    values[777_777] = 9.0
    seen = _seen(values)
    assert seen.high == 9.0
    assert seen.counts.sum() == pytest.approx(1_000_000, rel=0.01)
    assert seen.quantile(0.9) == pytest.approx(1.2816, abs=0.02)


def test_settings_out_of_range() -> None:
    with pytest.raises(SettingError):
        MovingAverage(momentum=1.0)
