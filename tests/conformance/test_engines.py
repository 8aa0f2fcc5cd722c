"""Every engine computes what PyTorch computes, on small networks that hold one difficulty each."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from lissome.compression.quantization.quantize import Quantize
from lissome.core.context import Context
from lissome.core.errors import BadArtifactError, EngineMissingError, SettingError, UnknownNameError
from lissome.data.task import Task
from lissome.exporting.converters import CONVERTERS, WITHOUT_INTEGERS, Examples
from lissome.exporting.parity import FLOAT, INTEGER, compare
from lissome.layers.fake_quantize import FakeQuantize, with_rounded_weights
from lissome.runtimes.protocol import Runtime
from lissome.runtimes.table import RUNTIMES, get_runtime
from lissome.runtimes.torch import flat_outputs


def conv_norm(in_channels, out_channels, kernel=3, stride=1, groups=1):
    layers = [
        nn.Conv2d(in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    ]
    nn.init.uniform_(layers[1].running_mean, -0.5, 0.5)
    nn.init.uniform_(layers[1].running_var, 0.5, 2.0)
    return nn.Sequential(*layers)


class ConcatSplit(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = conv_norm(3, 4), conv_norm(3, 6, 1)
        self.tail = conv_norm(5, 3)

    def forward(self, x):
        both = torch.cat([self.left(x), self.right(x)], 1)
        first, second = torch.split(both, [5, 5], 1)
        return self.tail(first) + self.tail(second)


class PaddedResidual(nn.Module):
    """The stride-2 shortcut of CIFAR ResNets: a slice with a step, for which ncnn has no layer."""

    def __init__(self):
        super().__init__()
        self.conv = conv_norm(3, 7, stride=2)

    def forward(self, x):
        return functional.relu(self.conv(x) + functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2)))


class SqueezeExcitation(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv_norm(3, 8)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 2, 1), nn.ReLU(), nn.Conv2d(2, 8, 1), nn.Hardsigmoid()
        )

    def forward(self, x):
        stem = self.stem(x)
        return stem * self.gate(stem)


class Shuffle(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.tail = conv_norm(3, 6), conv_norm(6, 6, groups=3)

    def forward(self, x):
        x = self.stem(x)
        n, c, h, w = x.shape
        return self.tail(x.view(n, 3, c // 3, h, w).transpose(1, 2).reshape(n, c, h, w))


class TwoOutputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.pool = conv_norm(3, 4), nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        features = self.stem(x)
        return features, self.pool(features)


TOPOLOGIES = {
    "conv_norm_relu": lambda: conv_norm(3, 5),
    "depthwise": lambda: nn.Sequential(conv_norm(3, 6, 1), conv_norm(6, 6, groups=6, stride=2), conv_norm(6, 4, 1)),
    "concat_split": ConcatSplit,
    "padded_residual": PaddedResidual,
    "squeeze_excitation": SqueezeExcitation,
    "shuffle": Shuffle,
    "flatten_linear": lambda: nn.Sequential(conv_norm(3, 4), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 3 * 4, 5)),
    "two_outputs": TwoOutputs,
}
# 7 x 9 pixels: an engine that pads rows or planes in memory must not show it.
SHAPE = (3, 7, 9)


@pytest.fixture(params=RUNTIMES)
def name(request):
    """Each engine that is installed."""
    runtime = get_runtime(request.param)
    if not runtime.available():
        pytest.skip(f"{request.param} is not installed: pip install {runtime.package}")
    return request.param


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_an_engine_agrees_with_torch_on_any_batch(name, topology, tmp_path):
    model = TOPOLOGIES[topology]().eval()
    conversion = CONVERTERS[name](model, Examples((torch.randn(1, *SHAPE),)), tmp_path)
    session = get_runtime(name).load(tmp_path)
    images = torch.randn(5, *SHAPE)
    with torch.no_grad():
        expected = [one.numpy() for one in flat_outputs(model(images))]
    parity = compare(expected, session.run(images.numpy()), engine=name)
    assert conversion.note == ""
    assert max(one.max_rel for one in parity.outputs) <= 1e-4
    alone = session.run(images[:1].numpy())
    for one, many in zip(alone, session.run(images.numpy()), strict=True):
        assert np.allclose(one[0], many[0], atol=1e-5)


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    made = {}

    def make(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            model = nn.Sequential(conv_norm(3, 16), conv_norm(16, 16), conv_norm(16, 4)).eval()
            CONVERTERS[name](model, Examples((torch.randn(1, *SHAPE),)), made[name])
        return made[name]

    return make


def test_a_runtime_is_complete_and_knows_itself(name, folder_of):
    runtime = get_runtime(name)
    assert isinstance(runtime, Runtime)
    assert runtime.name == name
    assert runtime.available()
    description = runtime.load(folder_of(name), threads=2).describe()
    assert (description.engine, description.precision, description.threads) == (name, "float32", 2)
    assert description.version == runtime.version()
    assert str(description).endswith("float32, 2 threads")
    assert all((folder_of(name) / file).is_file() for file in runtime.files)
    assert runtime.unsupported(folder_of(name)) == ()


def test_results_belong_to_the_caller(name, folder_of):
    session = get_runtime(name).load(folder_of(name))
    first, second = (np.random.default_rng(seed).random((2, *SHAPE), np.float32) for seed in range(2))
    before = session.run(first)[0]
    kept = before.copy()
    session.run(second)
    assert np.array_equal(before, kept)
    assert before.flags.writeable
    assert before.dtype == np.float32


def test_what_an_engine_cannot_honour_is_refused(name, folder_of, tmp_path):
    runtime = get_runtime(name)
    with pytest.raises(SettingError, match="threads is 0"):
        runtime.load(folder_of(name), threads=0)
    for precision in ("int8", "float7"):
        with pytest.raises(SettingError, match=rf"computes these files in float32.*, not {precision}; leave precision"):
            runtime.load(folder_of(name), precision=precision)
    with pytest.raises(UnknownNameError, match=f"no option of {name} is called 'turbo'"):
        runtime.load(folder_of(name), options={"turbo": True})
    for option in runtime.options:
        with pytest.raises(SettingError, match=rf"option {option} is 'sideways'; choose of "):
            runtime.load(folder_of(name), options={option: "sideways"})
    with pytest.raises(BadArtifactError, match=f"{name} needs .*, which is not there"):
        runtime.load(tmp_path)


def test_an_engine_that_is_not_installed_says_the_pip_line(name, folder_of, monkeypatch):
    runtime = get_runtime(name)
    monkeypatch.setattr(type(runtime), "module", "an_engine_that_nobody_has")
    assert not runtime.available()
    for call in (lambda: runtime.load(folder_of(name)), runtime.version):
        with pytest.raises(EngineMissingError, match=f"{name} is not installed; pip install {runtime.package}"):
            call()


# What 16 bits may cost: bfloat16 has 8 bits of mantissa, float16 has 11.
LOOSE = {"float32": 1e-4, "bfloat16": 3e-2, "float16": 3e-3}


def test_every_precision_and_option_is_honoured(name, folder_of):
    runtime, images = get_runtime(name), np.random.default_rng(0).standard_normal((2, *SHAPE)).astype(np.float32)
    plain = runtime.load(folder_of(name)).run(images)[0]
    offered = runtime.offers(folder_of(name))
    assert offered[0] == "float32"
    assert set(offered) <= set(runtime.precisions)
    choices = [(precision, {}) for precision in offered]
    choices += [("float32", {option: value}) for option, values in runtime.options.items() for value in values]
    for precision, options in choices:
        session = runtime.load(folder_of(name), precision=precision, options=options)
        output, description = session.run(images)[0], session.describe()
        defaults = {option: values[0] for option, values in runtime.options.items()}
        assert description.precision == precision
        assert {**defaults, **description.options} == {**defaults, **options}
        assert np.abs(output - plain).max() <= LOOSE[precision] * np.abs(plain).max()
        if precision != "float32":  # an engine that ignores the wish would give the same to the last bit
            assert not np.array_equal(output, plain)


def test_several_threads_may_run_one_session(name, folder_of):
    session = get_runtime(name).load(folder_of(name))
    batches = np.random.default_rng(0).standard_normal((24, 2, *SHAPE)).astype(np.float32)
    alone = [session.run(one)[0] for one in batches]
    with ThreadPoolExecutor(4) as callers:
        together = list(callers.map(lambda one: session.run(one)[0], batches))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_every_runtime_has_a_converter():
    assert list(CONVERTERS) == list(RUNTIMES)


def test_a_quantized_network_is_int8_or_the_note_says_why_not(name, tmp_path):
    conv = nn.Conv2d(3, 4, 3)
    scale = conv.weight.detach().abs().amax((1, 2, 3)) / 127
    model = nn.Sequential(
        FakeQuantize(0.03, 128), with_rounded_weights(conv, scale), nn.ReLU(), FakeQuantize(0.02, 0)
    ).eval()
    if name == "torch":
        pytest.skip("PyTorch rounds in float: its files are the network itself")
    conversion = CONVERTERS[name](model, Examples((torch.randn(1, *SHAPE),)), tmp_path)
    session, integer = get_runtime(name).load(tmp_path), name not in WITHOUT_INTEGERS
    assert session.describe().precision == ("int8" if integer else "float32")
    assert conversion.note == ("" if integer else f"{name} gets the float network: {WITHOUT_INTEGERS[name]}")
    images = torch.rand(4, *SHAPE)
    with torch.no_grad():
        expected = conversion.reference(images).numpy()
    limits = INTEGER if integer else FLOAT
    assert compare([expected], session.run(images.numpy()), engine=name, limits=limits).failure is None
    if integer:
        assert get_runtime(name).float_layers(tmp_path) == ()
        with pytest.raises(SettingError, match="in int8, not float32"):
            get_runtime(name).load(tmp_path, precision="float32")


@pytest.fixture(scope="module")
def quantized():
    """Each small network, calibrated and rounded."""
    generator = np.random.default_rng(0)
    images = generator.standard_normal((64, *SHAPE)).astype(np.float32)
    labels = np.arange(64) % 2
    loader = DataLoader(TensorDataset(torch.from_numpy(images), torch.from_numpy(labels)))
    task = Task.from_loaders(loader, loader)
    made = {}

    def make(topology):
        if topology not in made:
            torch.manual_seed(0)
            made[topology] = Quantize(images=64).apply(TOPOLOGIES[topology]().eval(), Context(task)).model.eval()
        return made[topology], torch.from_numpy(images[:8])

    return make


# A layer that is called twice keeps its batch normalisation, which pnnx folds into weights that nobody rounded.
FLOAT_IN_NCNN = {"concat_split": "float in ncnn: tail.0"}


@pytest.mark.parametrize("engine", ("onnxruntime", "openvino", "ncnn"))
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_quantized_topologies_agree(topology, engine, quantized, tmp_path):
    runtime = get_runtime(engine)
    if not runtime.available():
        pytest.skip(f"{engine} is not installed: pip install {runtime.package}")
    model, images = quantized(topology)
    conversion = CONVERTERS[engine](model, Examples((images[:1],)), tmp_path)
    session = runtime.load(tmp_path)
    assert session.describe().precision == "int8"
    assert conversion.note == (FLOAT_IN_NCNN.get(topology, "") if engine == "ncnn" else "")
    with torch.no_grad():
        expected = [one.numpy() for one in flat_outputs(conversion.reference(images))]
    assert compare(expected, session.run(images.numpy()), engine=engine, limits=INTEGER).failure is None
