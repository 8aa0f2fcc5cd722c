import copy

import onnx
import torch
from torch import nn

from lissome.exporting.to_onnx import to_onnx
from lissome.models.create import create
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
