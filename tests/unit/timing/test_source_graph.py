import copy

import onnx
import pytest
import torch
from torch import nn

from lissome.exporting.to_onnx import to_onnx
from lissome.models.create import create
from lissome.profiling.profile import profile
from lissome.timing.layer_costs import rows_of
from lissome.timing.source_graph import SourceGraph, input_noise, number_in


class Shared(nn.Module):
    """A layer that is called twice, a parameter of the forward's own, and a method."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(4, 4, 1)
        self.scale = nn.Parameter(torch.full((4, 1, 1), 0.5))

    def forward(self, x):
        return (self.layer(self.layer(x)) * self.scale).flatten(1).relu()


def test_it_computes_what_the_network_computes():
    model, (x,) = create("mobilenet_v2", seed=0), input_noise(((1, 3, 64, 64),), 0)
    with torch.no_grad():
        assert torch.equal(SourceGraph(model)(x), model(x))


def test_calls_have_the_names_of_a_profile_and_their_inputs():
    calls = SourceGraph(Shared()).source_calls
    assert [one.layer for one in calls] == ["layer", "layer", "mul", "flatten", "relu"]
    assert [one.inputs for one in calls] == [(), (0,), (1,), (2,), (3,)]
    assert [one.kind for one in calls] == ["Conv2d", "Conv2d", "mul", "flatten", "relu"]


def test_the_network_is_left_alone():
    model = Shared().train()
    before = copy.deepcopy(model.state_dict())
    SourceGraph(model)(torch.zeros(1, 4, 2, 2))
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert [name for name, _ in model.named_children()] == ["layer"]


def test_every_node_of_its_onnx_says_which_call_it_is_of(tmp_path):
    model = create("resnet20", seed=0)
    x = input_noise(((1, 3, 32, 32),), 0)
    for name, module in (("plain", model), ("labelled", SourceGraph(model))):
        to_onnx(module, x, tmp_path / f"{name}.onnx")
    plain, labelled = (
        [one for one in onnx.load(tmp_path / f"{name}.onnx").graph.node if one.op_type not in ("Identity", "Constant")]
        for name in ("plain", "labelled")
    )
    # The engine must get the same graph, or its times would be of another.
    assert [one.op_type for one in plain] == [one.op_type for one in labelled]
    assert all(number_in(one.name) is not None for one in labelled)


def test_outputs_of_calls_survive_work_in_place():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True))
    made = SourceGraph(model).outputs_of_calls(input_noise(((1, 3, 8, 8),), 0))
    assert made[0].min() < 0
    assert torch.equal(made[0].relu(), made[1])


class Counted(nn.Module):
    """Its forward computes with sizes in Python, which torch.fx cannot follow."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)

    def forward(self, x):
        for number in range(2 if float(x.shape[2]) > 4 else 1):
            x = self.second(x) if number else self.first(x)
        return x


@pytest.mark.parametrize("model", [Counted(), nn.Conv2d(3, 4, 3)], ids=["traced by running", "a single layer"])
def test_calls_and_profile_agree_on_what_there_is(model):
    inputs = input_noise(((1, 3, 8, 8),), 0)
    source = SourceGraph(model, inputs)
    cost = profile(model, (1, 3, 8, 8))
    rows = rows_of(source.source_calls, cost)
    assert sum(row.macs for row in rows.values()) == cost.macs > 0
    with torch.no_grad():
        assert torch.equal(source(*inputs), model(*inputs))
