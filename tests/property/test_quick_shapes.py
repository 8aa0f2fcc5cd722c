"""Where a shape is worked out without torch, it is torch's own; where torch refuses, so do we."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lissome.profiling.shapes import quick_result

small = st.integers(1, 5)
pair = st.tuples(small, small)
margin = st.tuples(st.integers(0, 2), st.integers(0, 2))


def agree(layer, x, args=None):
    """The quick answer is torch's, or none; and none where torch refuses."""
    quick = quick_result("", layer, args or [x], {})
    try:
        with torch.no_grad():
            true = layer.to(x.device).eval()(x)
    except (RuntimeError, ValueError):
        assert quick is None
        return False
    assert quick is None or (quick.shape, quick.dtype) == (true.shape, true.dtype)
    return quick is not None


@given(st.integers(1, 3), pair, pair, pair, margin, pair, st.integers(0, 4))
def test_convolutions(groups, kernel, stride, sides, padding, dilation, channels):
    layer = nn.Conv2d(3 * groups, 2 * groups, kernel, stride, padding, dilation, groups)
    agree(layer, torch.zeros(1, channels or 3 * groups, *sides))


@given(st.sampled_from([nn.MaxPool2d, nn.AvgPool2d]), pair, pair, margin, pair, st.booleans())
def test_pooling(kind, kernel, stride, padding, sides, ceil_mode):
    agree(kind(kernel, stride, padding, ceil_mode=ceil_mode), torch.zeros(1, 2, *sides))


@given(st.one_of(small, st.tuples(small, st.none()), pair), pair)
def test_adaptive_pooling(size, sides):
    agree(nn.AdaptiveAvgPool2d(size), torch.zeros(1, 2, *sides))


@given(small, small, st.lists(small, min_size=1, max_size=4))
def test_fully_connected(features, made, shape):
    agree(nn.Linear(features, made), torch.zeros(shape))


@given(st.sampled_from([nn.BatchNorm1d, nn.BatchNorm2d]), small, st.lists(small, min_size=1, max_size=4))
def test_normalization(kind, features, shape):
    agree(kind(features), torch.zeros(shape))


@given(st.lists(st.tuples(small, small, small), min_size=1, max_size=3), st.integers(-4, 4))
def test_concatenation(shapes, dim):
    tensors = [torch.zeros(one) for one in shapes]
    quick = quick_result("cat", None, [tensors, dim], {})
    try:
        true = torch.cat(tensors, dim)
    except (RuntimeError, IndexError):
        assert quick is None
        return
    assert quick is not None
    assert quick.shape == true.shape


@given(st.tuples(small, small), st.tuples(small, small))
def test_pairs(left, right):
    one, other = torch.zeros(left), torch.zeros(right)
    quick = quick_result("add", None, [one, other], {})
    assert (quick is not None) == (left == right)


def test_the_usual_is_answered_without_torch():
    assert agree(nn.Conv2d(3, 8, 3, 2, 1), torch.zeros(2, 3, 9, 9))
    assert agree(nn.Conv1d(3, 8, 3), torch.zeros(2, 3, 9))
    assert agree(nn.MaxPool2d(3, 2, 1), torch.zeros(2, 3, 9, 9))
    assert agree(nn.AdaptiveAvgPool2d(1), torch.zeros(2, 3, 9, 9))
    assert agree(nn.Linear(3, 2), torch.zeros(2, 3))
    assert agree(nn.ReLU(), torch.zeros(2, 3))
    assert not agree(nn.ReLU(), torch.zeros(2, 3, dtype=torch.int64))
