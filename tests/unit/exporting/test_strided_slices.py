import operator

import pytest
import torch
from torch import nn
from torch.nn import functional

from lissome.core.errors import TraceError
from lissome.exporting.strided_slices import without_strided_slices


class Slice(nn.Module):
    def __init__(self, index):
        super().__init__()
        self.index = index

    def forward(self, x):
        return functional.relu(x)[self.index] + 0


def slices_with_steps(graph):
    indices = [node.args[1] for node in graph.graph.nodes if node.target is operator.getitem]
    parts = [part for index in indices for part in (index if isinstance(index, tuple) else (index,))]
    return [part for part in parts if isinstance(part, slice) and part.step not in (None, 1)]


@pytest.mark.parametrize(
    "index",
    [
        (slice(None), slice(None), slice(None, None, 2), slice(None, None, 2)),
        (..., slice(None, None, 3), slice(1, None, 2)),
        (..., slice(None, None, 2)),
        (slice(None), slice(1, 3), slice(2, 7, 4)),
        (slice(None), slice(None), slice(None, -1, 2), slice(-3, None, 2)),
    ],
)
def test_rows_and_columns_are_taken_by_pooling_exactly(index):
    x = torch.randn(2, 4, 9, 8)
    graph = without_strided_slices(Slice(index), (x,))
    assert torch.equal(graph(x), Slice(index)(x))
    assert slices_with_steps(graph) == []


@pytest.mark.parametrize(
    "index",
    [
        (..., slice(1, None, 2), slice(None, None, 2)),
        (slice(None), slice(1, 3), slice(None, None, 2), slice(2, None, 3)),
        (slice(None), slice(None), slice(1, None, 2), slice(1, None, 2)),
    ],
)
@pytest.mark.parametrize("sides", [(9, 8), (8, 9)])
def test_with_free_sizes_a_later_start_is_picked_by_a_convolution_exactly(index, sides):
    x = torch.randn(2, 4, *sides)
    graph = without_strided_slices(Slice(index), (x,), free_sizes=True)
    other = torch.randn(2, 4, 12, 11)
    for one in (x, other):
        assert torch.equal(graph(one), Slice(index)(one))
    assert slices_with_steps(graph) == []


@pytest.mark.parametrize(
    ("index", "shape"),
    [
        ((slice(None), slice(1, 3)), (2, 4, 9, 8)),  # no step
        ((slice(None), slice(None, None, 2)), (2, 4, 9, 8)),  # channels: pooling does not reach them
        ((slice(None, None, 2),), (2, 4, 9, 8)),
        ((slice(None), slice(None), slice(None, None, 2)), (2, 4, 9)),  # three dimensions
        ((slice(None), 0, slice(None, None, 2)), (2, 4, 9, 8)),  # an index that drops a dimension
        (slice(None, None, 2), (2, 4, 9, 8)),
    ],
)
def test_other_slices_stay(index, shape):
    x = torch.randn(shape)
    graph = without_strided_slices(Slice(index), (x,))
    assert torch.equal(graph(x), Slice(index)(x))
    assert not [node for node in graph.graph.nodes if node.target is functional.max_pool2d]


def test_whole_numbers_are_not_pooled():
    class Numbers(nn.Module):
        def forward(self, x):
            return (x * 10).long()[:, :, ::2, ::2]

    x = torch.randn(1, 1, 4, 4)
    assert torch.equal(without_strided_slices(Numbers(), (x,))(x), Numbers()(x))


def test_a_step_known_only_when_running_stays():
    class Unknown(nn.Module):
        def forward(self, x):
            return x[:, :, :: x.shape[0], :]

    x = torch.randn(2, 1, 4, 4)
    assert torch.equal(without_strided_slices(Unknown(), (x,))(x), Unknown()(x))


def test_what_cannot_be_traced_is_said():
    class Branch(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(TraceError, match="cannot be traced"):
        without_strided_slices(Branch(), (torch.ones(1, 1, 2, 2),))
