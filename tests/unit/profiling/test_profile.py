"""Counts to the unit, for layers and functions, and errors that name the place."""

import json

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.core.errors import SettingError, ShapeError, TraceError
from lissome.models.catalog import CATALOG
from lissome.models.create import create
from lissome.profiling.profile import profile


@pytest.mark.parametrize(
    ("layer", "shape", "macs", "params"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), (1, 3, 4, 4), 3 * 9 * 16 * 8, 224),
        (nn.Conv2d(4, 8, 3, stride=2, groups=2, bias=False), (2, 4, 9, 9), 2 * 9 * 2 * 16 * 8, 144),
        (nn.Conv2d(4, 4, 3, groups=4), (1, 4, 5, 5), 9 * 9 * 4, 40),
        (nn.ConvTranspose2d(3, 8, 2, stride=2), (1, 3, 4, 4), 16 * 3 * 8 * 4, 104),
        (nn.Conv1d(3, 8, 5), (1, 3, 9), 15 * 5 * 8, 128),
        (nn.Linear(5, 7), (3, 5), 105, 42),
        (nn.BatchNorm2d(4), (1, 4, 2, 2), 0, 8),
    ],
)
def test_layers(layer: nn.Module, shape: tuple[int, ...], macs: int, params: int) -> None:
    cost = profile(nn.Sequential(layer), shape)
    assert (cost.macs, cost.params) == (macs, params)
    read = torch.Size(shape).numel()
    written = torch.Size(cost.rows[0].output).numel()
    assert cost.bytes_moved == 4 * (read + written + params)


class Functions(nn.Module):
    """Functional calls, a layer called twice, and an addition."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.twice = nn.Parameter(torch.ones(4, 3, 1, 1)), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.conv2d(x, self.weight)
        return functional.linear((self.twice(x) + self.twice(x)).flatten(1), torch.ones(2, 16))


def test_functions_and_shared_layers() -> None:
    cost = profile(Functions(), (1, 3, 2, 2))
    rows = {row.layer: row for row in cost.rows}
    assert rows["conv2d"].macs == 4 * 4 * 3
    assert rows["linear"].macs == 32
    assert [row.params for row in cost.rows if row.layer == "twice"] == [20, 0]
    assert rows["add"].macs == 0
    assert cost.params == 12 + 20


@pytest.mark.parametrize("name", ["resnet20", "resnet56", "mobilenet_v2"])
def test_catalog(name: str) -> None:
    entry = CATALOG[name]
    cost = profile(create(name, seed=0), (1, *entry.input))
    assert (cost.params, cost.macs) == (entry.params, entry.macs)


def test_it_prints_and_becomes_json() -> None:
    cost = profile(create("resnet20", seed=0), (1, 3, 32, 32))
    lines = str(cost).splitlines()
    (total,) = [line for line in lines if line.strip().startswith("total")]
    assert "40,551,040" in total
    assert lines.index(total) == len(cost.rows) + 3
    assert "269,722 parameters, 40,551,040 MACs" in lines[-2]
    assert "peak memory of activations: 192 KiB" in lines[-1]
    assert json.loads(json.dumps(cost.to_dict()))["rows"][0]["layer"] == "stem.conv"


def test_the_model_is_left_as_it_was() -> None:
    model = create("resnet20", seed=0).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    profile(model, torch.zeros(1, 3, 32, 32))
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_wrong_input_names_the_layer() -> None:
    with pytest.raises(ShapeError, match=r"stem\.conv"):
        profile(create("resnet20", seed=0), (1, 4, 32, 32))


def test_control_flow_on_values_names_the_line() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(TraceError, match=r"test_profile\.py:\d+ \(return x if x\.sum"):
        profile(Branching(), (1, 3, 4, 4))


def test_several_inputs_as_shapes_and_tensors() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x @ y

    for given in (((2, 3), (3, 4)), (torch.zeros(2, 3), torch.zeros(3, 4)), ((2, 3), torch.zeros(3, 4))):
        cost = profile(Net(), given)
        assert cost.inputs == ((2, 3), (3, 4))
        assert cost.rows[0].output == (2, 4)


def test_a_default_stands_in_for_an_input_that_is_not_given() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor, factor: float = 2.0) -> Tensor:
            return x * factor

    assert profile(Net(), (1, 4)).flops == 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "there is no input"),
        ((1, 3, 0, 32), "1x3x0x32 holds nothing"),
        ((1, 3, -32, 32), "1x3x-32x32 holds nothing"),
        (((1, 3, 32, 32), (1, 3)), "got 2 inputs"),
        ((1, 3), "the forward fails"),
    ],
)
def test_inputs_that_cannot_be(given: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        profile(create("resnet20", seed=0), given)


def test_an_input_too_few() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x + y

    with pytest.raises(ShapeError, match="input y: has no value"):
        profile(Net(), (1, 3))


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_that_cannot_be(batch: int) -> None:
    with pytest.raises(SettingError, match=f"batch is {batch}; choose at least 1"):
        profile(create("resnet20", seed=0), (1, 3, 32, 32), batch=batch)


def test_an_unknown_convention() -> None:
    with pytest.raises(SettingError, match="choose one of macs, formula, torchstat"):
        profile(nn.ReLU(), (1, 3), convention="thop")  # type: ignore[arg-type]


def test_a_forward_that_fails_names_the_call() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.view(7, 7)

    with pytest.raises(ShapeError, match=r"view: the forward fails: .*; give the input shape"):
        profile(Net(), (1, 3))


def test_a_network_in_half_precision_is_counted_like_any_other() -> None:
    whole, half = (
        profile(create("resnet20", seed=0).to(dtype), (1, 3, 32, 32)) for dtype in (torch.float32, torch.half)
    )
    assert (whole.macs, whole.bytes_moved) == (half.macs, half.bytes_moved)


def test_parameters_that_a_function_reads_belong_to_its_row() -> None:
    rows = {row.layer: row for row in profile(Functions(), (1, 3, 2, 2)).rows}
    assert rows["conv2d"].params == 12
    assert (rows["conv2d"].kernel, rows["conv2d"].groups) == ((1, 1), 1)
