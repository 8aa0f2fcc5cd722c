"""What every number format promises."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lissome.compression.quantization.formats import (
    BFloat16,
    Binary,
    Float16,
    Format,
    Int8,
    Linear,
    Log2,
    PowerOfTwo,
    Ternary,
    Uniform,
)
from lissome.core.errors import SettingError

WIDTHS = (2, 3, 4, 5, 6, 7, 8, 16)
LINEAR = [
    Int8(),
    Int8(per="channel"),
    *(Uniform(bits=bits, per=per, symmetric=symmetric, group=4) for bits in WIDTHS
      for per in ("tensor", "channel", "group") for symmetric in (True, False)),
    *(PowerOfTwo(bits=bits, per=per) for bits in WIDTHS for per in ("tensor", "channel")),
]  # fmt: skip
OTHERS = [*(Log2(bits=bits) for bits in range(2, 9)), Binary(), Ternary(), Float16(), BFloat16()]

WEIGHTS = arrays.arrays("float32", (3, 8), elements=st.floats(-50, 50, width=32)).map(torch.from_numpy)


@settings(max_examples=400)
@given(one=st.sampled_from(LINEAR), weight=WEIGHTS)
def test_a_linear_format_errs_by_half_a_step_keeps_zero_and_fits_its_bits(one: Linear, weight: torch.Tensor) -> None:
    codes = one.quantize(weight)
    restored = one.dequantize(codes)
    step = codes.scale.expand(len(codes.scale), codes.integers.numel() // len(codes.scale)).reshape(-1)
    error = (restored - weight).abs().reshape(-1)
    # Where zero must fall on an integer, an end can lie up to half a step outside, and is clipped.
    reach = 0.5 if one.symmetric else 1.0
    assert (error <= step * (reach + 1e-3) + 1e-6).all()
    assert codes.integers.min() >= codes.low
    assert codes.integers.max() < codes.low + 2**one.bits
    assert (restored.reshape(-1)[weight.reshape(-1) == 0] == 0).all()


@settings(max_examples=400)
@given(one=st.sampled_from([*LINEAR, *OTHERS]), weight=WEIGHTS)
def test_what_was_rounded_is_rounded_to_itself_and_stays_finite(one: Format, weight: torch.Tensor) -> None:
    once = one.rounded(weight)
    assert once.shape == weight.shape
    assert once.isfinite().all()
    codes = one.quantize(once)
    assert codes.integers.min() >= codes.low
    assert codes.integers.max() < codes.low + 2**one.bits
    if not isinstance(one, Linear):  # a linear format may find a finer scale for values that fill it badly
        assert torch.allclose(one.rounded(once), once, rtol=1e-4, atol=1e-6)


@given(bits=st.sampled_from(WIDTHS), seed=st.integers(0, 99))
def test_finer_scales_are_no_worse(bits: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(6, 64, generator=generator) * torch.rand(6, 1, generator=generator)
    errors = {
        per: (Uniform(bits=bits, per=per, group=16).rounded(weight) - weight).square().mean().item()  # type: ignore[arg-type]
        for per in ("tensor", "channel", "group")
    }
    assert errors["channel"] <= errors["tensor"] * 1.001
    assert errors["group"] <= errors["channel"] * 1.05


@given(st.floats(-1e4, 0), st.floats(0, 1e4), st.sampled_from(range(2, 9)))
def test_activations_saturate_and_keep_zero(low: float, high: float, bits: int) -> None:
    for one in (Uniform(bits=bits, per="tensor"), PowerOfTwo(bits=bits)):
        quantizer = one.quantizer(low, high)
        rounded = quantizer(torch.tensor([low * 3 - 1, 0.0, high * 3 + 1]))
        ends = [(quantizer.low - quantizer.zero_point) * quantizer.scale,
                (quantizer.high - quantizer.zero_point) * quantizer.scale]  # fmt: skip
        assert rounded[1] == 0
        assert rounded.min() >= ends[0] - 1e-5 * abs(ends[0])
        assert rounded.max() <= ends[1] + 1e-5 * abs(ends[1])
        assert quantizer(torch.tensor([-1e9, 1e9])).tolist() == pytest.approx(ends, rel=1e-5)
        assert quantizer.high - quantizer.low == 2**bits - 1


@given(WEIGHTS)
def test_powers_of_two_are_powers_of_two(weight: torch.Tensor) -> None:
    rounded = Log2(bits=5).rounded(weight)
    exponents = torch.log2(rounded[rounded != 0].abs())
    assert torch.equal(exponents, exponents.round())
    assert torch.equal(
        PowerOfTwo().weight_scale(weight), torch.exp2(torch.log2(PowerOfTwo().weight_scale(weight)).round())
    )


def test_a_power_of_two_errs_by_a_third_at_most() -> None:
    weight = torch.linspace(0.01, 1, 500).reshape(1, -1)
    rounded = Log2(bits=6).rounded(weight)
    assert ((rounded - weight).abs() / weight).max() <= 1 / 3 + 1e-6


@pytest.mark.parametrize("one", [*LINEAR, *OTHERS], ids=repr)
def test_storage_is_what_the_bits_say(one: Format) -> None:
    codes = one.quantize(torch.randn(8, 64))
    assert one.storage_bits(codes) - 512 * one.bits in {0, 32 * codes.scale.numel()}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Uniform(bits=9),
        lambda: Uniform(per="row"),  # type: ignore[arg-type]
        lambda: Uniform(group=1),
        lambda: PowerOfTwo(bits=1),
        lambda: PowerOfTwo(per="group"),  # type: ignore[arg-type]
        lambda: Log2(bits=1),
    ],
)
def test_settings_out_of_range(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SettingError):
        make()
