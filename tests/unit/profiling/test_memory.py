"""Peak memory, worked out by hand on small networks."""

import torch
from torch import Tensor, nn

from lissome.models.create import create
from lissome.profiling.profile import profile


def kib(cost):
    peaks = cost.peak_memory
    return [getattr(peaks, name).peak_bytes / 1024 for name in ("separate", "in_place", "folded")]


def test_a_chain_holds_what_a_layer_reads_and_makes():
    layers = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 4, 1), nn.Conv2d(4, 1, 1))
    cost = profile(layers, (1, 1, 16, 16))  # activations of 1, 2, 4, 1 KiB
    assert kib(cost) == [6, 6, 6]
    assert cost.peak_memory.separate.layer == "1"
    assert cost.peak_memory.separate.timeline == (("0", 3072), ("1", 6144), ("2", 5120))


def test_element_wise_operators_work_in_place_and_normalisation_folds():
    layers = nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 1))
    cost = profile(layers, (1, 1, 16, 16))
    assert kib(cost) == [8, 5, 5]
    assert [row.is_fused for row in cost.rows] == [False, True, True, False]
    assert len(cost.peak_memory.folded.timeline) == 2


class Residual(nn.Module):
    """A shortcut that lives while the branch is computed."""

    def __init__(self, *, kept: bool) -> None:
        super().__init__()
        self.first, self.second, self.act, self.kept = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1), nn.ReLU(), kept

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        y = self.act(self.second(x))
        return (y, y + x) if self.kept else y + x


def test_a_shortcut_lives_until_it_is_added():
    # second: x, z; act: x, z, y; add: x, y, sum
    assert kib(profile(Residual(kept=False), (1, 1, 16, 16))) == [3, 2, 2]


def test_what_is_returned_is_neither_overwritten_nor_freed():
    assert kib(profile(Residual(kept=True), (1, 1, 16, 16))) == [3, 2, 2]
    cost = profile(Residual(kept=True), (1, 1, 16, 16))
    assert cost.peak_memory.in_place.timeline[-1] == ("add", 2048)  # the sum takes x's place, y stays


def test_the_networks_own_input_is_not_overwritten():
    assert kib(profile(nn.ReLU(), (1, 1, 16, 16))) == [2, 2, 2]


def test_a_view_takes_nothing_and_keeps_what_it_shows_alive():
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x * 2
            view = y.flatten(1)
            z = x + 1
            return view.sum() + z.sum()

    cost = profile(Net(), (1, 1, 16, 16))
    assert cost.peak_memory.separate.timeline[1] == ("add", 3072)
    assert "flatten" not in [name for name, _ in cost.peak_memory.separate.timeline]


def test_a_chunk_is_a_view_and_a_concatenation_is_not():
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            left, right = x.chunk(2, 1)
            return torch.cat([right, left], 1)

    cost = profile(Net(), (1, 4, 16, 16))
    assert kib(cost) == [8, 8, 8]
    assert [(row.layer, row.bytes_moved) for row in cost.rows] == [("chunk", 0), ("cat", 8192)]


def test_activations_grow_with_the_batch_and_weights_do_not():
    model = create("resnet20", seed=0)
    one, four = (profile(model, (1, 3, 32, 32), batch=batch) for batch in (None, 4))
    assert four.inputs == ((4, 3, 32, 32),)
    assert four.params == one.params
    assert four.macs == 4 * one.macs
    assert kib(four) == [4 * size for size in kib(one)]


def test_fused_only_if_nobody_else_reads_what_lies_between():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return self.norm(x) + x

    assert not any(row.is_fused for row in profile(Net(), (1, 1, 4, 4)).rows)
