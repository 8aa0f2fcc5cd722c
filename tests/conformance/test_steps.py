"""What every step promises. A new step is one line in EXAMPLES."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import lissome as ls
from lissome.core.names import load_attribute
from lissome.tables import KINDS, STEPS

EXAMPLES = {
    "KeepClasses": ls.KeepClasses(
        classes=(2,),
        other=True,
        prune=ls.PruneChannels(keep=0.5, score=ls.scores.ActivationMean(images=16)),
        recalibrate=ls.RecalibrateBatchNorm(images=16),
        train=ls.Train(epochs=1, batch_size=16, teacher="original"),
    ),
    "MakeStudent": ls.MakeStudent(width=0.5, weights="fresh", multiple_of=4),
    "PruneBlocks": ls.PruneBlocks(keep=0.8, objective="macs", criterion="least_squares", images=16, chains=True),
    "PruneChannels": ls.PruneChannels(keep=0.5, score=ls.scores.Random(), scope="global", multiple_of=4, skip=("9*",)),
    "PruneGradually": ls.PruneGradually(
        prune=ls.PruneChannels(keep=0.5, score=ls.scores.L1(), multiple_of=4),
        rounds=2,
        train=ls.Train(epochs=1, batch_size=16, keep="last"),
    ),
    "SensitivityScan": ls.SensitivityScan(keep=(0.5,), images=6, skip=("9*",)),
    "Slim": ls.Slim(
        fraction=0.4,
        passes=2,
        strength=0.01,
        multiple_of=4,
        train=ls.Train(epochs=1, batch_size=16, keep="last"),
        tune=ls.Train(epochs=1, batch_size=16, teacher="original"),
    ),
    "PruneWeights": ls.PruneWeights(
        sparsity=0.75,
        pattern="4x1",
        scope="global",
        ends=True,
        skip=("12",),
        rounds=2,
        between=ls.Train(epochs=1, batch_size=16),
    ),
    "ClusterWeights": ls.ClusterWeights(
        clusters=4, per="channel", init="kmeans++", skip=("12",), fine_tune=ls.Train(epochs=1, batch_size=16)
    ),
    "FactorizeConvs": ls.FactorizeConvs(
        method="channel", ranks=ls.ranks.CostShare(keep=0.8), multiple_of=2, images=16, skip=("9",)
    ),
    "FactorizeLinear": ls.FactorizeLinear(ranks=ls.ranks.Energy(share=0.1), multiple_of=1),
    "StructureLinear": ls.StructureLinear(block=4, objective="params"),
    "RecalibrateBatchNorm": ls.RecalibrateBatchNorm(images=32),
    "Train": ls.Train(
        epochs=1, batch_size=16, teacher="original", optimizer=ls.optimizers.AdamW(learning_rate=0.01), keep="last"
    ),
    "FoldBatchNorm": ls.FoldBatchNorm(),
    "FoldBranches": ls.FoldBranches(),
    "EqualizeLayers": ls.EqualizeLayers(images=16),
    "AbsorbBias": ls.AbsorbBias(deviations=0.001),
    "Quantize": ls.Quantize(
        weights=ls.formats.Int8(per="tensor"), calibrator=ls.calibrators.Percentile(percent=99.0), images=16
    ),
    "QuantizeWithin": ls.QuantizeWithin(
        drop=0.0,
        bits=(4, 8),
        images=8,
        validation_images=6,
        quantize=ls.Quantize(images=8, skip=("0",)),
        recover=(ls.CorrectBias(images=8),),
        runtimes=("onnxruntime",),
    ),
    "CalibrationScan": ls.CalibrationScan(images=(2, 8), validation_images=6),
    "CorrectBias": ls.CorrectBias(images=16, quantize=ls.Quantize(images=8, ends=False)),
    "AdaRound": ls.AdaRound(
        images=16, steps=5, quantize=ls.Quantize(images=8, weights=ls.formats.Uniform(bits=4), bits_of={"0": 6})
    ),
    "TrainQuantized": ls.TrainQuantized(
        train=ls.Train(epochs=1, batch_size=16), learn_steps=True, quantize=ls.Quantize(images=8)
    ),
    "TrainFewBits": ls.TrainFewBits(
        format=ls.formats.Log2(bits=3), inputs=True, skip=("3",), train=ls.Train(epochs=1, batch_size=16)
    ),
    "QuantizeWeights": ls.QuantizeWeights(format=ls.formats.Log2(bits=3), skip=("0",)),
    "MeasureLatency": ls.MeasureLatency(seconds=0.01),
}
"""A step of each kind, with a setting other than the default where it has any."""

LOOKS_ONLY = ("SensitivityScan", "CalibrationScan", "MeasureLatency")
"""Steps that measure and change nothing."""


@pytest.fixture(scope="module")
def task():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(60) % 3
    return ls.Task.from_arrays(images, labels, images[:12], labels[:12])


@pytest.fixture
def model():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, groups=16, padding=1),
        nn.BatchNorm2d(16),
        nn.Dropout(0.2),
        nn.Conv2d(16, 16, 1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 8, 1),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 3),
    )
    for norm in network:
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.running_var, 0.5, 1.5)
    return network.eval()


@pytest.fixture
def context(task, model):
    return ls.Context(task, seed=3, original=model)


@pytest.fixture(params=EXAMPLES)
def step(request):
    return EXAMPLES[request.param]


def _bytes(model):
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


def test_every_step_has_an_example():
    assert list(EXAMPLES) == list(STEPS)
    assert {name: type(one) for name, one in EXAMPLES.items()} == {n: load_attribute(path) for n, path in STEPS.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_bears_its_class_name(kind):
    assert load_attribute(KINDS[kind]).__name__ == kind


def test_the_input_model_is_untouched(step, model, context):
    before, text, modes = _bytes(model), repr(model), [one.training for one in model.modules()]
    outcome = step.apply(model, context)
    assert _bytes(model) == before
    assert repr(model) == text
    assert [one.training for one in model.modules()] == modes
    assert all(parameter.grad is None for parameter in model.parameters())
    shared = {one.data_ptr() for one in model.parameters()} & {one.data_ptr() for one in outcome.model.parameters()}
    assert not shared


def test_it_changes_the_network_and_says_so(step, model, context):
    outcome = step.apply(model, context)
    changed = (repr(outcome.model), _bytes(outcome.model)) != (repr(model), _bytes(model))
    assert changed is (type(step).__name__ not in LOOKS_ONLY)
    assert any(note.applied for note in outcome.notes) or outcome.measurements


def test_the_new_model_takes_the_same_input_and_gives_outputs_of_the_same_shape(step, model, context):
    images, _ = next(iter(context.task.test.batches(4)))
    outcome = step.apply(model, context)
    # A step that keeps some classes says so in the context of the steps behind it.
    assert outcome.model.eval()(images).shape == (4, outcome.context.task.classes)
    assert outcome.context.task.classes == (2 if isinstance(step, ls.KeepClasses) else 3)


def test_the_same_seed_gives_the_same_bytes_whatever_the_global_generator_does(step, model, context):
    torch.manual_seed(1)
    first = step.apply(model, context)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = step.apply(model, context)
    assert _bytes(first.model) == _bytes(second.model)
    assert repr(first.model) == repr(second.model)
    assert torch.equal(torch.get_rng_state(), state)


def test_toml_round_trip(step):
    assert ls.recipe_from_toml(ls.recipe_to_toml(step)) == ls.Recipe(step)


def test_the_receipt_is_plain_json(step, model, context):
    receipt = step.apply(model, context).to_dict()
    assert json.loads(json.dumps(receipt, allow_nan=False)) == receipt
    assert receipt["step"] == type(step).__name__
    assert receipt["settings"]["kind"] == type(step).__name__


def test_the_result_can_be_kept_and_recalled(step, model, context, tmp_path):
    outcome = step.apply(model, context)
    with ls.RunDirectory(tmp_path) as run:
        run.keep("key", outcome.model, outcome.to_dict())
        kept, receipt = run.recall("key")
    images, _ = next(iter(context.task.test.batches(4)))
    torch.testing.assert_close(kept(images), outcome.model.eval()(images), rtol=0, atol=0)
    assert receipt == outcome.to_dict()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(step, model, context, value):
    with torch.no_grad():
        model[6].weight[0, 0] = value
    with pytest.raises(ls.WeightsError, match=r"^6\.weight: 1 of 256 values are not finite"):
        step.apply(model, context)


@pytest.mark.parametrize(
    "step", [one for one in EXAMPLES.values() if one.requires()], ids=lambda one: type(one).__name__
)
def test_a_context_that_lacks_what_it_requires_is_refused(step, model):
    with pytest.raises(ls.SettingError, match=f"^{type(step).__name__}: needs .*; give it in the Context"):
        step.apply(model, ls.Context())


def test_its_work_can_be_watched_in_silence(step, model, context, capfd):
    class Watcher:
        def __init__(self):
            self.heard = []

        def advance(self, task, done, total):
            assert done >= 0
            assert total is None or done <= total
            self.heard.append(task)

        def say(self, message):
            self.heard.append(message)

    step.apply(model, replace(context, progress=Watcher()))
    assert capfd.readouterr() == ("", "")
