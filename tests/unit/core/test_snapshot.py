import json
from copy import deepcopy

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from lissome.core.errors import BadArtifactError, BadModelError, LissomeError, TraceError
from lissome.core.snapshot import read_snapshot, write_snapshot
from lissome.layers.channel_shuffle import ChannelShuffle
from lissome.layers.fake_quantize import FakeQuantize, with_rounded_weights


class Everything(nn.Module):
    """Calls of all kinds: layers, functions, methods, operators, attributes, bare parameters and constants."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.PReLU(8))
        self.branches = nn.ModuleList([nn.Conv2d(4, 4, 3, padding="same", groups=2), nn.AvgPool2d(3, 1, 1)])
        self.shuffle = ChannelShuffle(2)
        self.scale = nn.Parameter(torch.rand(8, 1, 1))
        self.register_buffer("shift", torch.rand(1))
        self.head = nn.Linear(8, 5)

    def forward(self, x, gain=None):
        x = self.stem(x)
        one, two = x.chunk(2, dim=1)
        x = torch.cat([self.branches[0](one), self.branches[1](two)], 1)
        x = self.shuffle(functional.relu6(x)) * self.scale + self.shift
        x = x[:, :, ::2, 1:] - 0.5 * functional.pad(x, (0, 0, 1, 1))[..., ::2, 1:][:, :, : (x.shape[2] + 1) // 2]
        x = functional.dropout(x, 0.5, self.training).to(torch.float32)
        x = functional.adaptive_avg_pool2d(x, 1).view(x.size(0), -1)
        return self.head(torch.flatten(x, start_dim=1)), x.mean(dim=(0, 1)) ** 2


class Constant(nn.Module):
    """A tensor that is neither parameter nor saved buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.arange(3.0), persistent=False)

    def forward(self, x):
        return x + self.table


class Tied(nn.Module):
    """One weight used by two layers."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(3, 3), nn.Linear(3, 3)
        self.two.weight = self.one.weight

    def forward(self, x):
        return self.two(self.one(x))


def _quantized():
    conv, linear = nn.Conv2d(3, 4, 3, stride=2, bias=False), nn.Linear(4, 2)
    scales = torch.rand(4) / 50 + 0.01, torch.rand(2) / 50 + 0.01
    return nn.Sequential(
        FakeQuantize(0.02, 128),
        with_rounded_weights(conv, scales[0]),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        FakeQuantize(0.01, -3, -128, 127),
        with_rounded_weights(linear, scales[1]),
    )


MODELS = {
    "everything": (Everything, (2, 3, 9, 9)),
    "quantized": (_quantized, (2, 3, 9, 9)),
    "constant": (Constant, (2, 3)),
    "tied": (Tied, (2, 3)),
    "half": (lambda: nn.Sequential(nn.Linear(3, 2)).to(torch.bfloat16), (2, 3)),
    "one layer": (lambda: nn.Linear(3, 2), (2, 3)),
    "no layer": (nn.Identity, (2, 3)),
}


def _with_statistics(model):
    """Give normalisations means and variances other than 0 and 1, and put the model in evaluation mode."""
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 1.5)
    return model.eval()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_with_the_same_outputs_bit_by_bit(name, tmp_path):
    build, shape = MODELS[name]
    model = _with_statistics(build())
    x = torch.rand(shape, dtype=next((one.dtype for one in model.parameters()), torch.float32))
    write_snapshot(model, tmp_path / "a.safetensors", {"step": "First"})
    read, metadata = read_snapshot(tmp_path / "a.safetensors")
    assert metadata == {"step": "First"}
    torch.testing.assert_close(read(x), model(x), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["everything", "quantized"])
def test_what_was_read_can_be_copied_trained_and_written_again(name, tmp_path):
    build, shape = MODELS[name]
    write_snapshot(_with_statistics(build()), tmp_path / "a.safetensors")
    read, _ = read_snapshot(tmp_path / "a.safetensors")
    assert all(parameter.requires_grad for parameter in read.parameters())
    twin = deepcopy(read).train()
    output = twin(torch.rand(shape))
    (output[0] if isinstance(output, tuple) else output).sum().backward()
    assert any(parameter.grad is not None for parameter in twin.parameters())
    write_snapshot(read, tmp_path / "b.safetensors")
    again, _ = read_snapshot(tmp_path / "b.safetensors")
    assert {key: tensor.tolist() for key, tensor in again.state_dict().items()} == {
        key: tensor.tolist() for key, tensor in read.state_dict().items()
    }
    x = torch.rand(shape)
    torch.testing.assert_close(again(x), read(x), rtol=0, atol=0)


def test_a_model_in_training_is_written_as_it_evaluates(tmp_path):
    model = _with_statistics(Everything()).train()
    write_snapshot(model, tmp_path / "a.safetensors")
    read, _ = read_snapshot(tmp_path / "a.safetensors")
    assert model.training
    x = torch.rand(2, 3, 9, 9)
    torch.testing.assert_close(read(x), model.eval()(x), rtol=0, atol=0)


class OwnLinear(nn.Linear):
    """A leaf by its module's name, yet not torch's."""


OwnLinear.__module__ = "torch.nn.own"


class Reading(nn.Module):
    """Asks a tensor for something that is no plain attribute."""

    def forward(self, x):
        return x + x.grad_fn


@torch.fx.wrap
def outside(x):
    return x


class Calling(nn.Module):
    """Calls a function that is no tensor operator, and that stays a call when traced."""

    def forward(self, x):
        return outside(x)


class Branching(nn.Module):
    """Cannot be traced."""

    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (nn.Sequential(OwnLinear(2, 2)), BadModelError, "^0: a layer of class torch.nn.own:OwnLinear cannot be"),
        (Reading(), BadModelError, "reading the attribute 'grad_fn' cannot be written"),
        (Calling(), BadModelError, "a call of <function outside.*> cannot be written"),
        (Branching(), TraceError, "control flow"),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_is_written(model, error, message, tmp_path):
    with pytest.raises(error, match=message):
        write_snapshot(model, tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", [0, 4, 100, 2000, -1])
def test_a_truncated_file_is_refused(length, tmp_path):
    path = tmp_path / "a.safetensors"
    write_snapshot(Everything(), path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(BadArtifactError, match=r"a\.safetensors: is no snapshot of a model"):
        read_snapshot(path)


def test_a_file_that_is_absent_or_of_another_kind_is_refused(tmp_path):
    with pytest.raises(BadArtifactError, match="no such file"):
        read_snapshot(tmp_path / "none.safetensors")
    save_file({"weight": torch.zeros(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(BadArtifactError, match="is no snapshot"):
        read_snapshot(tmp_path / "weights.safetensors")


class Small(nn.Module):
    """One call of each kind, for a hostile hand to change."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.bare = nn.Parameter(torch.ones(2))

    def forward(self, x):
        return torch.add(self.layer(x).relu() + self.bare, x.shape[0], alpha=2)


def _forged(tmp_path, change):
    """Write a snapshot of `Small` whose structure a hostile hand has changed."""
    path = tmp_path / "a.safetensors"
    write_snapshot(Small(), path)
    with safe_open(path, framework="pt") as file:
        text = file.metadata()
    structure = json.loads(text["structure"])
    change(structure, {entry["op"] + " " + entry["target"]: entry for entry in structure["nodes"]})
    save_file(load_file(path), path, metadata={**text, "structure": json.dumps(structure)})
    return path


def test_what_a_forger_leaves_alone_can_be_read(tmp_path):
    read, _ = read_snapshot(_forged(tmp_path, lambda structure, nodes: None))
    assert read(torch.ones(1, 2)).shape == (1, 2)


def _put(entry, **values):
    return lambda structure, nodes: nodes[entry].update(values)


def _layer(**values):
    return lambda structure, nodes: structure["layers"]["layer"].update(values)


def _renamed_layer(name):
    def change(structure, nodes):
        structure["layers"][name] = structure["layers"].pop("layer")
        nodes["call_module layer"]["target"] = name

    return change


BREAKOUT = '''x", getattr(__import__("os"), "mkdir")("sprung"), "'''
ADD, RELU, GETATTR = "call_function torch.add", "call_method relu", "call_function getattr"
FORGERIES = {
    "a function of the system": _put(ADD, target="os.system"),
    "a loader of pickles": _put(ADD, target="torch.load"),
    "a reader of files": _put(ADD, target="torch.from_file"),
    "a builtin": _put(ADD, target="eval"),
    "a private method": _put(RELU, target="__reduce_ex__"),
    "a method that tensors lack": _put(RELU, target="system"),
    "source text as method": _put(RELU, target=BREAKOUT),
    "a way to the class": _put(GETATTR, args={"tuple": [{"node": "x"}, "__class__"]}),
    "a way around the list": _put(GETATTR, args={"tuple": [{"node": "x"}, "grad_fn", "shape"]}),
    "source text as keyword": lambda structure, nodes: nodes[ADD]["kwargs"].update({BREAKOUT: 1}),
    "source text as input": _put("placeholder x", target=f"x = {BREAKOUT}"),
    "source text as layer": _renamed_layer(f'layer"), {BREAKOUT}'),
    "a layer that is not there": _put("call_module layer", target="other"),
    "a tensor that is not there": _put("get_attr bare", target="__class__"),
    "a layer of nobody's": _layer(**{"class": "torch.utils.data:DataLoader"}),
    "a function as layer": _layer(**{"class": "torch.nn.modules.module:register_module_forward_hook"}),
    "a module as layer": _layer(**{"class": "torch.nn.modules.module:os"}),
    "no such layer": _layer(**{"class": "torch.nn.modules.nowhere:Linear"}),
    "a function as number": _layer(settings={"in_features": {"dtype": "load"}, "out_features": 2}),
    "a size beyond all bounds": _layer(settings={"in_features": 10**30, "out_features": 2}),
    "another shape": _layer(settings={"in_features": 3, "out_features": 2, "bias": True}),
    "an unknown setting": _layer(settings={"path": "/etc"}),
    "an unknown operation": _put(RELU, op="call_system"),
    "a node from nowhere": _put(RELU, args={"tuple": [{"node": "y"}]}),
    "nodes of no form": lambda structure, nodes: structure.update(nodes=[1]),
    "a parameter without tensor": lambda structure, nodes: structure["parameters"].append("ghost"),
    "layers as list": lambda structure, nodes: structure.update(layers=[]),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_files_are_refused_and_cannot_reach_the_machine(name, tmp_path, monkeypatch):
    path = _forged(tmp_path, FORGERIES[name])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadArtifactError) as caught:
        read_snapshot(path)
    assert caught.value.where == str(path)
    assert not (tmp_path / "sprung").exists()


def test_errors_are_ours_whatever_byte_is_hit(tmp_path):
    path = tmp_path / "a.safetensors"
    write_snapshot(Small(), path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 23):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :])
        try:
            read_snapshot(path)
        except LissomeError as error:
            assert isinstance(error, BadArtifactError)
