import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lissome.core.context import Context
from lissome.core.errors import (
    ConversionError,
    EngineMissingError,
    ParityError,
    SettingError,
    ShapeError,
    UnknownNameError,
    WeightsError,
)
from lissome.core.outcome import Note, Outcome
from lissome.core.preprocessing import Preprocessing
from lissome.exporting import divergence, proving, reference
from lissome.exporting.converters import CONVERTERS, Conversion
from lissome.exporting.export import export
from lissome.exporting.reference import outputs_of
from lissome.layers.fake_quantize import FakeQuantize, with_rounded_weights
from lissome.models.create import create
from lissome.runtimes.artifact import load
from lissome.runtimes.ncnn import Ncnn
from lissome.runtimes.table import get_runtime
from lissome.timing.verify import verify

CONTEXT = Context(example=torch.randn(4, 3, 8, 8), seed=7)


def tiny():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))


class Task:
    """A task with noise for images."""

    def __init__(self):
        self.classes = 5
        self.preprocessing = Preprocessing(channels=3, height=8, width=8)
        self.validation = self
        self.images = torch.randn(40, 3, 8, 8)

    def batches(self, batch_size, *, generator=None, transform=None, limit=None):
        yield self.images[:limit], torch.zeros(limit)


def test_a_module_becomes_a_proved_artifact(tmp_path):
    model = tiny().train()
    artifact = export(model, tmp_path / "tiny.lissome", context=CONTEXT, measurements={"accuracy": 0.5})
    assert model.training
    again = load(tmp_path / "tiny.lissome")
    card = again.card
    assert card == artifact.card
    assert (card.name, card.params, card.macs, card.seed) == ("tiny", 112 + 25, 108 * 36 + 20, 7)
    assert (card.input_shapes, card.output_shapes) == (((3, 8, 8),), ((5,),))
    assert card.measurements == {"accuracy": 0.5}
    assert sorted(again.contents) == ["graph.onnx", "ncnn/model.bin", "ncnn/model.param", "samples.safetensors"]
    with torch.no_grad():
        expected = model.eval()(CONTEXT.example).numpy()
    for name in ("onnxruntime", "ncnn"):
        assert card.engines[name].parity["outputs"][0]["max_rel"] < 1e-5
        assert np.allclose(again.session(name).run(CONTEXT.example.numpy())[0], expected, atol=1e-5)


def test_an_outcome_brings_its_context_and_receipt(tmp_path):
    outcome = Outcome(
        model=tiny(),
        step="PruneChannels",
        settings={"kind": "PruneChannels", "keep": 0.5},
        notes=(Note("4", "its channels reach the output", applied=False),),
        context=Context(Task(), seed=3),
    )
    card = export(outcome, tmp_path / "a.lissome", runtimes=["onnxruntime"]).card
    assert card.samples == "16 validation images"
    assert (card.classes, card.seed) == (5, 3)
    assert card.preprocessing == Preprocessing(channels=3, height=8, width=8)
    assert card.recipe == {"kind": "PruneChannels", "keep": 0.5}
    assert 'kind = "PruneChannels"' in card.recipe_toml
    assert card.receipt["notes"][0]["reason"] == "its channels reach the output"


def test_a_recipe_with_a_module_has_no_toml(tmp_path):
    settings = {"kind": "Train", "teacher": {"kind": "module", "class": "ResNet"}}
    outcome = Outcome(model=tiny(), step="Train", settings=settings, context=CONTEXT)
    card = export(outcome, tmp_path / "a.lissome", runtimes=["onnxruntime"]).card
    assert card.recipe_toml is None
    assert card.recipe == settings


def test_the_same_network_gives_the_same_bytes(tmp_path):
    model = tiny()
    for seconds, name in enumerate(("a/one.lissome", "b/one.lissome")):
        part = Outcome(model=model, step="Train", seconds=seconds)
        export(Outcome(model=model, step="Recipe", seconds=seconds, parts=(part,), context=CONTEXT), tmp_path / name)
    assert (tmp_path / "a/one.lissome").read_bytes() == (tmp_path / "b/one.lissome").read_bytes()


def test_a_quantized_network_is_compared_as_such(tmp_path):
    model = tiny()
    model[0] = with_rounded_weights(model[0], model[0].weight.detach().abs().amax((1, 2, 3)) / 127)
    model.insert(0, FakeQuantize(0.03, 128))
    model.insert(3, FakeQuantize(0.02, 0))
    card = export(model, tmp_path / "a.lissome", context=CONTEXT).card
    assert (card.params, card.engines["onnxruntime"].precision) == (137, "int8")
    assert card.engines["onnxruntime"].parity["limits"]["max_rel"] == 0.25
    assert card.engines["ncnn"].precision == "int8"
    assert card.engines["ncnn"].parity["limits"]["max_rel"] == 0.25


def negated_at_the_end(model):
    """Stand for a converter that gets linear layers wrong and nothing else."""
    copied = copy.deepcopy(model)
    for layer in copied.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.data.neg_()
    return copied


def test_a_conversion_that_computes_something_else_writes_nothing(tmp_path, monkeypatch):
    def wrong(model, examples, folder):
        CONVERTERS["ncnn"](negated_at_the_end(model), examples, folder)
        return Conversion(model)

    broken = {**CONVERTERS, "ncnn": wrong}
    for place in (proving, divergence):
        monkeypatch.setattr(place, "CONVERTERS", broken)
    path = tmp_path / "a.lissome"
    with pytest.raises(
        ParityError, match=r"^ncnn: computes something else on 4 samples, first after 4 \(output .*nothing"
    ):
        export(tiny(), path, context=CONTEXT)
    assert list(tmp_path.iterdir()) == []


def test_a_baked_in_batch_is_found(tmp_path):
    class Baked(nn.Module):
        def forward(self, x):
            return torch.relu(x).reshape(int(x.shape[0]), -1).sum(0, keepdim=True).expand(int(x.shape[0]), -1)

    with pytest.raises((ParityError, ConversionError)):
        export(Baked(), tmp_path / "a.lissome", runtimes=["onnxruntime"], context=CONTEXT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"runtimes": []}, SettingError, "no runtime is named; choose of onnxruntime"),
        ({"runtimes": ["nccn"]}, UnknownNameError, "did you mean 'ncnn'"),
        ({"context": Context(example=torch.randn(1, 4, 8, 8))}, ShapeError, "the forward fails on input"),
        ({"context": None}, SettingError, "needs a task"),
    ],
)
def test_bad_input_is_refused_and_writes_nothing(tmp_path, settings, error, message):
    with pytest.raises(error, match=message):
        export(tiny(), tmp_path / "a.lissome", **{"context": CONTEXT, **settings})
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_not_finite_are_refused(tmp_path):
    model = tiny()
    model[4].bias.data[2] = float("inf")
    with pytest.raises(WeightsError, match=r"^4\.bias: 1 of 5 values are not finite"):
        export(model, tmp_path / "a.lissome", context=CONTEXT)
    assert list(tmp_path.iterdir()) == []


def test_rows_and_columns_can_be_free(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2))
    engines = [name for name in ("onnxruntime", "ncnn", "openvino", "mnn", "torch") if get_runtime(name).available()]
    path = tmp_path / "a.lissome"
    export(model, path, runtimes=engines, context=CONTEXT, also=(3, 12, 16))
    artifact = load(path)
    assert artifact.card.free_sizes
    for shape in ((2, 3, 8, 8), (2, 3, 12, 16), (1, 3, 20, 10)):
        images = torch.randn(shape)
        with torch.no_grad():
            expected = model(images).numpy()
        for name in engines:
            output = artifact.session(name).run(images.numpy())[0]
            assert output.shape == expected.shape
            assert np.allclose(output, expected, atol=1e-5)
    with pytest.raises(ShapeError, match="give N x 3 x rows x columns float32"):
        artifact.session("onnxruntime").run(np.zeros((1, 4, 8, 8), np.float32))


def test_a_size_that_is_baked_in_is_found(tmp_path):
    class Baked(nn.Module):
        def forward(self, x):
            return torch.relu(x).flatten(2) + torch.arange(64)

    with pytest.raises(ShapeError, match="the forward fails on input"):
        export(Baked(), tmp_path / "a.lissome", runtimes=["onnxruntime"], context=CONTEXT, also=(3, 12, 16))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("also", [(3, 8, 8), (4, 12, 12), (12, 12), (3, 0, 8)])
def test_what_is_no_other_size_is_refused(tmp_path, also):
    with pytest.raises(SettingError, match="is no other size of 3x8x8"):
        export(tiny(), tmp_path / "a.lissome", context=CONTEXT, also=also)


def test_an_engine_too_rough_by_default_gets_its_exact_options(tmp_path, monkeypatch):
    check = proving.check_files

    def rough(name, reference, folder, *, options=None, limits=None):
        parity = check(name, reference, folder, options=options, limits=limits)
        return parity if options else replace(parity, limits=replace(parity.limits, max_rel=-1.0))

    monkeypatch.setattr(proving, "check_files", rough)
    artifact = export(tiny(), tmp_path / "a.lissome", runtimes=["ncnn"], context=CONTEXT)
    entry = artifact.card.engines["ncnn"]
    assert entry.options == {"winograd": False}
    assert entry.note.startswith("its defaults compute too roughly: output differs by ")
    assert str(artifact.session().describe()).endswith("1 thread, winograd off")


def test_what_only_float64_agrees_with_is_noted_and_stored(tmp_path, monkeypatch):
    def shaken(model, samples):
        made = outputs_of(model, samples)
        return [one + np.float32(0.1) for one in made] if samples.inputs[0].dtype == torch.float32 else made

    monkeypatch.setattr(reference, "outputs_of", shaken)
    artifact = export(tiny(), tmp_path / "a.lissome", runtimes=["onnxruntime"], context=CONTEXT)
    entry = artifact.card.engines["onnxruntime"]
    assert " from the network in float64, from which PyTorch's own float32 is " in entry.note
    assert entry.parity["float32_rel"] > 1e-3
    assert entry.parity["outputs"][0]["max_rel"] < 1e-5
    assert verify(artifact, seconds=0.05).passed


def test_a_missing_engine_is_said_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(Ncnn, "module", "an_engine_that_nobody_has")
    said = []

    class Watch:
        def say(self, message):
            said.append(message)

        def advance(self, task, done, total):
            pass

    context = Context(example=torch.randn(2, 3, 8, 8), progress=Watch())
    with pytest.raises(EngineMissingError, match="ncnn is not installed; pip install ncnn"):
        export(tiny(), tmp_path / "a.lissome", context=context)
    assert said == []


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_network_that_cannot_be_counted_is_still_exported(tmp_path):
    class Countless(nn.Module):
        def forward(self, x):
            return torch.relu(x) if float(x.abs().sum()) >= 0 else -x

    card = export(Countless(), tmp_path / "a.lissome", runtimes=["onnxruntime"], context=CONTEXT).card
    assert card.macs is None


@pytest.mark.parametrize(("name", "settings"), [("resnet20", {}), ("mobilenet_v2", {"small_input": True})])
def test_catalog_networks_export_to_both_engines(tmp_path, name, settings):
    model = create(name, classes=10, seed=0, **settings)
    context = Context(example=torch.randn(4, 3, 32, 32))
    artifact = export(model, tmp_path / f"{name}.lissome", context=context)
    for engine in artifact.card.engines.values():
        output = engine.parity["outputs"][0]
        assert output["max_rel"] < 1e-4
        assert output["top1_agreement"] == 1.0
    assert json.loads(json.dumps(artifact.to_dict()))["name"] == name
