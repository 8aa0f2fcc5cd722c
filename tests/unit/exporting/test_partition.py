import json

import numpy as np
import pytest
import torch
from torch import nn

from lissome.core.context import Context
from lissome.core.errors import ConversionError, EngineError, ParityError, SettingError, UnknownNameError
from lissome.exporting import part_search
from lissome.exporting.cutting import Cutter
from lissome.exporting.partition import partition

CONTEXT = Context(example=torch.randn(3, 3, 6, 6))


class Sorted(nn.Module):
    """ncnn has no sort."""

    def __init__(self):
        super().__init__()
        self.stem, self.tail = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 1)

    def forward(self, x):
        y = torch.relu(self.stem(x))
        return self.tail(torch.sort(y, 3)[0] + y)


def test_what_an_engine_lacks_runs_elsewhere_and_the_cut_is_shown():
    model = Sorted().eval()
    made = partition(model, "ncnn", CONTEXT, rest="onnxruntime")
    assert [one.engine for one in made.parts] == ["ncnn", "onnxruntime", "ncnn"]
    assert made.parts[1].layers == ("sort", "getitem")
    assert "sort" in made.parts[1].reason
    assert made.parts[1].crossing_kib == 4 * 36 * 4 / 1024
    assert made.parts[2].crossing_kib == 2 * 4 * 36 * 4 / 1024  # the sorted and the shortcut
    assert all(one.milliseconds > 0 for one in made.parts)
    images = torch.randn(2, 3, 6, 6)
    with torch.no_grad():
        assert np.allclose(made.run(images.numpy())[0], model(images).numpy(), atol=1e-5)
    assert "3 parts" in str(made)
    assert json.loads(json.dumps(made.to_dict()))["parity"]["passed"] is True


def test_a_network_that_fits_is_one_part():
    made = partition(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval(), "ncnn", CONTEXT)
    assert [one.engine for one in made.parts] == ["ncnn"]


def test_a_users_function_takes_its_node():
    calls = []

    def mine(x):
        calls.append(x.shape)
        return torch.special.bessel_j1(torch.from_numpy(x)).numpy()

    class Plugged(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return torch.relu(torch.special.bessel_j1(self.stem(x)))

    made = partition(Plugged().eval(), "ncnn", CONTEXT, plugins={"special_bessel_j1": mine})
    assert [one.engine for one in made.parts] == ["ncnn", "plug-in", "ncnn"]
    assert calls
    assert made.notes == ()
    without = partition(Plugged().eval(), "ncnn", CONTEXT)
    assert [one.engine for one in without.parts] == ["ncnn", "torch", "ncnn"]


def test_a_function_that_computes_something_else_is_refused():
    with pytest.raises(ParityError, match="plug-in for sort"):
        partition(Sorted().eval(), "ncnn", CONTEXT, plugins={"sort": lambda x: x + 1})


def test_a_function_for_nothing_in_the_network_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'sort'"):
        partition(Sorted().eval(), "ncnn", CONTEXT, plugins={"sorts": lambda x: x})


def test_a_function_that_fails_is_named():
    def mine(x):
        raise KeyError("table")

    with pytest.raises(EngineError, match="plug-in for sort, getitem: fails: KeyError: 'table'"):
        partition(Sorted().eval(), "ncnn", CONTEXT, plugins={"sort": mine})


def test_a_function_that_is_not_needed_is_told():
    made = partition(nn.Sequential(nn.Conv2d(3, 4, 3)).eval(), "ncnn", CONTEXT, plugins={"0": lambda x: x})
    assert [str(one) for one in made.notes] == ["declined 0: ncnn runs it itself, the function is not used"]
    assert "declined 0" in str(made)
    assert made.to_dict()["notes"][0]["layer"] == "0"


def test_too_many_parts_are_refused(monkeypatch):
    monkeypatch.setattr(part_search, "MOST_PARTS", 1)
    with pytest.raises(ConversionError, match="falls into more than 1 parts; the first reason is: "):
        partition(Sorted().eval(), "ncnn", CONTEXT)


def test_the_reason_is_told_where_the_first_node_is_the_one(monkeypatch):
    monkeypatch.setattr(part_search, "MOST_PARTS", 1)

    class Reversed(nn.Module):
        def forward(self, x):
            return torch.relu(torch.sort(x, 3)[0])

    with pytest.raises(ConversionError, match=r"the first reason is: .*sort"):
        partition(Reversed(), "ncnn", CONTEXT)


def test_what_the_rest_cannot_run_either_is_an_error():
    class Odd(nn.Module):
        def forward(self, x):
            return torch.special.bessel_j1(torch.relu(x))

    with pytest.raises(ConversionError, match="bessel_j1"):
        partition(Odd(), "ncnn", CONTEXT, rest="onnxruntime")


def test_bad_engines_are_refused():
    with pytest.raises(SettingError, match="both engines are ncnn"):
        partition(nn.ReLU(), "ncnn", CONTEXT, rest="ncnn")
    with pytest.raises(UnknownNameError, match="did you mean 'ncnn'"):
        partition(nn.ReLU(), "nccn", CONTEXT)


def test_only_batches_of_floats_cross_a_cut():
    class Sizes(nn.Module):
        def forward(self, x):
            n, c = x.size(0), x.size(1)
            return torch.relu(x).view(n, c, -1).mean(2)

    cutter = Cutter(Sizes(), (torch.randn(2, 3, 4, 4),))
    # After size(0), size(1) and relu, numbers would have to cross; behind view they are used up.
    assert cutter.places() == [0, 4, 5]
    piece = cutter.piece(0, 4)
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(cutter.piece(4, 5).module(piece.module(x)), Sizes()(x))
