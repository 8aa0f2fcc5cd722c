"""Sums of bits and shifts are the sums that a float layer gives, exactly."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from lissome.compression.quantization.formats import Log2
from lissome.core.errors import SettingError
from lissome.runtimes import bit_kernels
from lissome.runtimes.bit_kernels import packed, shift_codes, shift_conv2d, xnor_conv2d

SHAPES = st.tuples(st.integers(1, 130), st.integers(1, 9), st.integers(3, 8), st.sampled_from([1, 3]))


def last(x):
    return np.ascontiguousarray(x.permute(0, 2, 3, 1).numpy())


@pytest.fixture(params=["numpy", "numba"], autouse=True)
def loops(request, monkeypatch):
    if request.param == "numba":
        pytest.importorskip("numba", reason="numba compiles the loops; it is not installed")
    bit_kernels._loops.cache_clear()
    monkeypatch.setattr(bit_kernels, "is_compiled", lambda: request.param == "numba")
    yield
    bit_kernels._loops.cache_clear()


def check_signs(channels, out, size, kernel, stride, padding):
    torch.manual_seed(channels)
    x, weight = torch.randn(2, channels, size, size + 1), torch.randn(out, channels, kernel, kernel)
    signs = [torch.where(one >= 0, 1.0, -1.0) for one in (x, weight)]
    expected = functional.conv2d(*signs, stride=stride, padding=padding)
    found = xnor_conv2d(packed(last(x)), packed(last(weight)), channels, stride=stride, padding=padding)
    assert np.array_equal(found, last(expected).astype(np.int32))


def test_the_sums_of_signs_are_exact():
    @settings(max_examples=15, deadline=None)
    @given(SHAPES, st.integers(1, 2), st.integers(0, 1))
    def check(shape, stride, padding):
        check_signs(*shape, stride, padding)

    check()


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), (2, 1), (3, 2)])
def test_shifts_multiply_by_powers_of_two(stride, padding):
    torch.manual_seed(0)
    format, weight = Log2(bits=4), torch.randn(6, 20, 3, 3)
    x = torch.randint(0, 256, (2, 20, 9, 8))
    codes = format.quantize(weight)
    places = shift_codes(codes.integers.reshape(weight.shape).permute(0, 2, 3, 1).numpy(), 7)
    least = float(codes.scale) / 2**6
    expected = functional.conv2d(x.double(), format.rounded(weight).double(), stride=stride, padding=padding)
    found = shift_conv2d(last(x).astype(np.int32), places, stride=stride, padding=padding)
    assert (places == 0).any()
    assert np.array_equal(found, last(expected / least).round().astype(np.int32))
    assert np.allclose(found * least, last(expected), rtol=1e-12)


def test_a_linear_layer_is_a_convolution_of_one_place():
    torch.manual_seed(0)
    x, weight = torch.randn(3, 100), torch.randn(7, 100)
    found = xnor_conv2d(packed(x.numpy())[:, None, None], packed(weight.numpy())[:, None, None], 100)
    expected = torch.where(x >= 0, 1.0, -1.0) @ torch.where(weight >= 0, 1.0, -1.0).T
    assert np.array_equal(found[:, 0, 0], expected.numpy().astype(np.int32))


def test_what_does_not_fit_is_refused():
    x, weight = packed(np.ones((1, 4, 4, 64))), packed(np.ones((2, 3, 3, 64)))
    with pytest.raises(SettingError, match="words"):
        xnor_conv2d(x, weight, 65)
    with pytest.raises(SettingError, match="leave nothing"):
        xnor_conv2d(x[:, :2, :2], weight, 64)
    with pytest.raises(SettingError, match="channels"):
        shift_conv2d(np.ones((1, 4, 4, 3), np.int32), np.ones((2, 3, 3, 4), np.int8))
