"""What rounding costs is won back: equalisation, bias correction, rounding by output, training, budgets."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lissome.compression.quantization.ada_round import AdaRound
from lissome.compression.quantization.calibration_scan import CalibrationScan
from lissome.compression.quantization.calibrators import DataFree
from lissome.compression.quantization.correct_bias import CorrectBias
from lissome.compression.quantization.equalize_layers import EqualizeLayers
from lissome.compression.quantization.formats import Int8, Uniform
from lissome.compression.quantization.moments import moments_of
from lissome.compression.quantization.quantize import Quantize
from lissome.compression.quantization.quantize_within import QuantizeWithin
from lissome.compression.quantization.rounding_search import learned_rounding
from lissome.compression.quantization.train_quantized import TrainQuantized
from lissome.compression.quantization.width_trials import WidthTrials
from lissome.core.context import Context
from lissome.core.errors import SettingError
from lissome.core.step import Change, Step
from lissome.data.task import Task
from lissome.layers.fake_quantize import QuantizedConv2d, QuantizedLinear, is_quantized, without_quantization
from lissome.training.optimizers import SGD
from lissome.training.train import Train


@pytest.fixture(scope="module")
def context() -> Context:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (120, 12, 12, 3)).astype(np.uint8)
    return Context(Task.from_arrays(images, np.arange(120) % 2, images, np.arange(120) % 2))


@pytest.fixture
def uneven() -> nn.Sequential:
    """A network of which one scale a tensor makes a mess: channels of very different ranges."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU6(),
        nn.Conv2d(16, 16, 3, padding=1, groups=16),
        nn.ReLU(),
        nn.Conv2d(16, 8, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 2),
    )
    with torch.no_grad():
        for place in (0, 2):
            factors = torch.logspace(-1.2, 1.2, 16)[torch.randperm(16)]
            network[place].weight.mul_(factors.reshape(-1, 1, 1, 1) / (12 if place == 0 else 1))
    return network.eval()


def _images(context: Context) -> Tensor:
    return next(iter(context.require_task().test.batches(60)))[0]


def _error(model: nn.Module, original: nn.Module, context: Context) -> float:
    with torch.no_grad():
        wanted = original(_images(context))
        return float((model(_images(context)) - wanted).square().mean() / wanted.var())


@pytest.mark.parametrize("relu6", ["bound", "skip", "replace"])
def test_equalisation_computes_the_same_and_evens_ranges(relu6: str, uneven: nn.Sequential, context: Context) -> None:
    outcome = EqualizeLayers(relu6=relu6).apply(uneven, context)  # type: ignore[arg-type]
    with torch.no_grad():
        below = uneven[0](_images(context)).max() < 6
    assert below or relu6 != "replace"
    assert _error(outcome.model, uneven, context) < 1e-6
    assert outcome.measurements["pairs_equalised"] == (1 if relu6 == "skip" else 2)

    def spread(model: nn.Module) -> float:
        largest = model.get_submodule("2").weight.detach().abs().flatten(1).amax(1)
        return float(largest.max() / largest.min())

    assert spread(outcome.model) < spread(uneven) / 4
    assert isinstance(outcome.model.get_submodule("1"), nn.ReLU if relu6 == "replace" else nn.ReLU6)


def test_a_tensor_scale_gains_from_equalisation(context: Context) -> None:
    torch.manual_seed(0)
    uneven = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1, groups=16),
        nn.ReLU(),
        nn.Conv2d(16, 8, 1),
        nn.Flatten(),
        nn.Linear(8 * 144, 2),
    ).eval()
    factors = torch.logspace(-2, 2, 16)[torch.randperm(16)]
    with torch.no_grad():  # as uneven as training leaves it, computing the same
        uneven[0].weight.mul_(factors.reshape(-1, 1, 1, 1))
        uneven[0].bias.mul_(factors)
        uneven[2].weight.div_(factors.reshape(-1, 1, 1, 1))
    quantize = Quantize(weights=Int8(per="tensor"), images=60)
    plain = quantize.apply(uneven, context).model
    evened = quantize.apply(EqualizeLayers().apply(uneven, context).model, context).model
    assert _error(evened, uneven, context) < _error(plain, uneven, context) / 2


def test_layers_whose_output_is_used_twice_are_not_equalised(context: Context) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.relu, self.b, self.end = nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Conv2d(3, 3, 1), nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            y = self.relu(self.a(x))
            return self.end((self.b(y) + y).mean((2, 3)))

    outcome = EqualizeLayers().apply(Twice().eval(), context)
    assert outcome.measurements["pairs_equalised"] == 0


def _coarse(uneven: nn.Module, context: Context, bits: int = 3) -> nn.Module:
    return Quantize(weights=Uniform(bits=bits), images=60).apply(uneven, context).model


def test_bias_correction_makes_the_mean_of_each_channel_right(uneven: nn.Sequential, context: Context) -> None:
    coarse = _coarse(uneven, context)
    fixed = CorrectBias(images=108).apply(coarse, context).model
    images = torch.cat([one for one, _ in context.require_task().train.batches(64)])
    with torch.no_grad():
        shift = (uneven(images).mean(0) - fixed(images).mean(0)).abs().max()
        before = (uneven(images).mean(0) - coarse(images).mean(0)).abs().max()
    assert shift < 1e-4
    assert shift < before / 10


@pytest.mark.parametrize("steps", [0, 60])
def test_rounding_by_output_beats_nearest_and_bias_correction(
    steps: int, uneven: nn.Sequential, context: Context
) -> None:
    coarse = _coarse(uneven, context)
    rounded = AdaRound(images=108, steps=steps).apply(coarse, context).model
    corrected = CorrectBias(images=108).apply(coarse, context).model
    assert _error(rounded, uneven, context) < _error(coarse, uneven, context) / 2
    assert _error(rounded, uneven, context) < _error(corrected, uneven, context)
    for layer in rounded.modules():
        if isinstance(layer, QuantizedConv2d | QuantizedLinear):
            scale = layer.weight_scale.reshape(-1, *[1] * (layer.weight.dim() - 1))
            integers = layer.weight / scale
            assert torch.allclose(integers, integers.round(), atol=1e-3)
            assert integers.abs().max() <= 3.001


def test_the_search_finds_the_best_of_all_roundings_of_a_small_problem() -> None:
    generator = torch.Generator().manual_seed(1)
    for steps in (0, 100):
        found = best = 0.0
        for _ in range(20):
            inputs = torch.randn(6, 6, generator=generator).cumsum(0)
            moment = (inputs @ inputs.T)[None]
            target = torch.rand(1, 1, 6, generator=generator) * 4 - 2
            every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 6) + target[0, 0].floor()
            away = every - target[0, 0]
            best += float(((away @ moment[0]) * away).sum(1).min())
            away = (learned_rounding(target, moment, 7, steps) - target)[0]
            found += float(((away @ moment[0]) * away).sum())
            nearest = target.round() - target
            assert (
                float(((away @ moment[0]) * away).sum()) <= float(((nearest[0] @ moment[0]) * nearest[0]).sum()) * 1.6
            )
        assert found <= best * 2.5


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, padding=1, stride=2, bias=False),
        nn.Conv2d(4, 4, 3, groups=4, bias=False),
        nn.Conv2d(4, 8, (3, 2), groups=2, dilation=2, padding="same", bias=False),
        nn.Conv2d(4, 6, 1, stride=2, bias=False),
        nn.Linear(7, 3, bias=False),
    ],
    ids=str,
)
def test_moments_give_the_variance_of_outputs(layer: nn.Conv2d | nn.Linear) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(20, 7) if isinstance(layer, nn.Linear) else torch.randn(20, 4, 9, 9)
    moments = moments_of(layer, [inputs[:12], inputs[12:]], [inputs[:12], inputs[12:]])
    output = layer(inputs).detach()
    rows = output if output.dim() == 2 else output.movedim(1, -1).flatten(0, -2)
    weight = layer.weight.detach().reshape(len(moments.rounded), -1, moments.rounded.shape[1])
    expected = ((weight @ moments.rounded) * weight).sum(2).reshape(-1)
    assert torch.allclose(expected, rows.var(0, unbiased=False), rtol=1e-3, atol=1e-5)
    assert torch.allclose(moments.rounded, moments.crossed, atol=1e-4)


def test_training_with_rounding_moves_weights_and_steps(uneven: nn.Sequential, context: Context) -> None:
    coarse = _coarse(uneven, context)
    train = Train(epochs=1, batch_size=32, optimizer=SGD(learning_rate=0.01), keep="last")
    plain = TrainQuantized(train=train).apply(coarse, context).model
    learned = TrainQuantized(train=train, learn_steps=True).apply(coarse, context).model

    def scales(model: nn.Module) -> list[float]:
        return [one.scale for one in model.modules() if hasattr(one, "zero_point")]  # type: ignore[misc]

    assert scales(plain) == scales(coarse)
    assert scales(learned) != scales(coarse)
    assert len(scales(learned)) == len(scales(coarse))
    assert not torch.equal(plain.get_submodule("0").weight, coarse.get_submodule("0").weight)


def test_training_with_rounding_learns_from_the_float_network_by_default(
    uneven: nn.Sequential, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[nn.Module] = []

    def change(train: Train, model: nn.Module, context: Context) -> Change:
        assert train.teacher == "original"
        seen.append(context.require_original())
        return Change(model)

    monkeypatch.setattr(Train, "change", change)
    coarse = _coarse(uneven, context)
    TrainQuantized(learn_steps=True).apply(coarse, context)
    TrainQuantized().apply(coarse, replace(context, original=uneven))
    assert torch.allclose(seen[0](_images(context)), without_quantization(coarse)(_images(context)))
    assert not is_quantized(seen[0])
    assert seen[1] is uneven


def test_a_budget_is_kept_with_the_fewest_float_layers(uneven: nn.Sequential, context: Context) -> None:
    task = context.require_task()
    with torch.no_grad():
        truth = uneven(_images(context))

    def closeness(output: Tensor, labels: Tensor) -> Tensor:
        del labels
        with torch.no_grad():
            return -(output - wanted[: len(output)]).square().sum(1)

    wanted = torch.cat([uneven(one) for one, _ in task.validation.batches(256)]).detach()
    strict = Context(replace(task, metric=closeness))  # type: ignore[type-var]
    scale = float(truth.var())
    inner = Quantize(images=60)
    loose = QuantizeWithin(drop=scale, bits=(2, 4, 8), quantize=inner).apply(uneven, strict)
    middle = QuantizeWithin(drop=scale * 1e-3, bits=(2, 4, 8), quantize=inner).apply(uneven, strict)
    exact = QuantizeWithin(drop=0.0, bits=(2, 4, 8), quantize=inner).apply(uneven, strict)
    sums = [sum(one.measurements["bits"].values()) for one in (loose, middle, exact)]
    assert sums == sorted(sums)
    assert sums[0] < sums[2]
    assert loose.measurements["val_metric"] >= -scale
    assert middle.measurements["val_metric"] >= -scale * 1e-3
    assert exact.measurements["layers_quantized"] == 0
    assert len(exact.declined) == 4


def _rounded(model: nn.Module) -> int:
    return sum(isinstance(one, QuantizedConv2d | QuantizedLinear) for one in model.modules())


def test_an_engine_that_loses_more_keeps_more_layers_float(
    uneven: nn.Sequential, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    within = QuantizeWithin(drop=1.0, quantize=Quantize(images=30), recover=(CorrectBias(images=30),))
    free = within.apply(uneven, context)
    assert free.measurements["layers_quantized"] == 4
    assert free.measurements["val_metric_on"] == {}

    def engine(trials: WidthTrials, model: nn.Module) -> dict[str, float]:
        return {one: -9.0 if _rounded(model) > 2 else 0.5 for one in trials.runtimes}

    monkeypatch.setattr(WidthTrials, "_on_engines", engine)
    confirmed = replace(within, runtimes=("onnxruntime",)).apply(uneven, context)
    assert confirmed.measurements["layers_quantized"] == _rounded(confirmed.model) == 2
    assert confirmed.measurements["val_metric_on"] == {"onnxruntime": 0.5}
    monkeypatch.setattr(WidthTrials, "_on_engines", lambda *_: {"onnxruntime": -9.0})
    hopeless = replace(within, runtimes=("onnxruntime",)).apply(uneven, context)
    assert hopeless.measurements["layers_quantized"] == 0
    assert "on onnxruntime with every layer float" in hopeless.declined[-1].reason


def test_the_budget_is_confirmed_on_the_engine_behind_the_recovery(uneven: nn.Sequential, context: Context) -> None:
    inner = Quantize(images=30)
    outcome = QuantizeWithin(
        drop=1.0, quantize=inner, recover=(CorrectBias(images=30),), runtimes=("onnxruntime", "ncnn")
    ).apply(uneven, context)
    by_hand = CorrectBias(images=30).apply(inner.apply(uneven, context).model, context).model
    assert all(torch.equal(one, other) for one, other in zip(outcome.model.buffers(), by_hand.buffers(), strict=True))
    found = outcome.measurements["val_metric_on"]
    assert set(found) == {"onnxruntime", "ncnn"}
    assert all(abs(one - outcome.measurements["val_metric"]) < 0.05 for one in found.values())


@pytest.mark.parametrize("step", [CorrectBias(), AdaRound(), TrainQuantized()], ids=lambda one: type(one).__name__)
def test_a_network_left_float_stays_float(step: Step, uneven: nn.Sequential, context: Context) -> None:
    outcome = step.apply(uneven, context)
    assert not is_quantized(outcome.model)
    assert outcome.declined[0].reason.startswith("nothing of the network rounds")


def test_layers_that_are_named_stay_float(uneven: nn.Sequential, context: Context) -> None:
    outcome = Quantize(images=30, ends=False, skip=("4",), bits_of={"2": 4}).apply(uneven, context)
    kinds = {path: type(outcome.model.get_submodule(path)).__name__ for path in ("0", "2", "4", "7")}
    assert kinds == {"0": "Conv2d", "2": "QuantizedConv2d", "4": "Conv2d", "7": "Linear"}
    assert outcome.model.get_submodule("2").levels == 7
    assert {note.layer for note in outcome.declined} == {"0", "4", "7"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Quantize(weights=Uniform(bits=16)),
        lambda: Quantize(weights=Uniform(symmetric=False)),
        lambda: QuantizeWithin(drop=-0.1),
        lambda: QuantizeWithin(bits=(8, 4)),
        lambda: QuantizeWithin(images=0),
        lambda: QuantizeWithin(runtimes=("mnn",)),
        lambda: EqualizeLayers(images=0),
        lambda: EqualizeLayers(relu6="drop"),  # type: ignore[arg-type]
        lambda: AdaRound(steps=-1),
        lambda: CorrectBias(images=0),
        lambda: CalibrationScan(images=()),
        lambda: CalibrationScan(quantize=Quantize(calibrator=DataFree())),
    ],
)
def test_settings_out_of_range(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SettingError):
        make()


@pytest.mark.parametrize("settings", [{"skip": ("x*",)}, {"bits_of": {"nothing": 4}}])
def test_a_layer_that_does_not_exist_is_refused(settings: dict, uneven: nn.Sequential, context: Context) -> None:  # type: ignore[type-arg]
    with pytest.raises(SettingError, match="no layer matches"):
        Quantize(images=8, **settings).apply(uneven, context)
