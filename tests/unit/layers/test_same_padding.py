"""TensorFlow's padding: the size it promises, where the odd pixel goes, and what it computes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lissome.core.errors import SettingError
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.same_padding import same_padded, same_padding


@given(kernel_size=st.integers(1, 7), stride=st.integers(1, 4), size=st.integers(1, 40))
def test_output_is_the_size_over_the_stride_rounded_up(kernel_size, stride, size):
    before, after = same_padding(kernel_size, stride, size)
    assert (before + size + after - kernel_size) // stride + 1 == -(-size // stride)
    assert after - before in {0, 1}


@given(kernel_size=st.integers(1, 7), stride=st.integers(1, 4), size=st.integers(1, 40))
def test_no_pixel_less_would_do(kernel_size, stride, size):
    total = sum(same_padding(kernel_size, stride, size))
    assert total == 0 or (total - 1 + size - kernel_size) // stride + 1 < -(-size // stride)


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_padded_unit_equals_padding_by_hand(kernel_size, size):
    unit = ConvNormActivation(2, 3, kernel_size, stride=2).eval()
    weight = unit.conv.weight.detach()
    x = torch.randn(1, 2, size, size)
    before, after = same_padding(kernel_size, 2, size)
    wide = nn.functional.pad(x, (before, after, before, after))
    expected = unit.activation(unit.norm(nn.functional.conv2d(wide, weight, stride=2)))
    assert torch.allclose(same_padded(unit, size)(x), expected, atol=1e-6)


def test_first_pixel_differs_from_the_even_padding():
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 2, 2] = 1
    unit = ConvNormActivation(1, 1, 3, stride=2, activation=None).eval()
    nn.init.ones_(unit.conv.weight)
    even = unit(x).flatten().bool().tolist()
    uneven = same_padded(unit, 4)(x).flatten().bool().tolist()
    assert even == [False, False, False, True]
    assert uneven == [True, True, True, True]


def test_names_of_the_weights_stay():
    unit = ConvNormActivation(2, 4, 3, stride=2)
    names = list(unit.state_dict())
    assert list(same_padded(unit, 8).state_dict()) == names


def test_anything_but_a_unit_and_sizes_below_one_are_refused():
    with pytest.raises(SettingError, match="a Identity is given"):
        same_padded(nn.Identity(), 8)
    with pytest.raises(SettingError, match="size 0"):
        same_padding(3, 2, 0)
