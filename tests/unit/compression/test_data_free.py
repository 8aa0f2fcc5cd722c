"""What values are expected to be without an image: single rules, whole networks, and the ranges made of them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.scores import L1
from lissome.compression.quantization.absorb_bias import AbsorbBias
from lissome.compression.quantization.calibrators import DataFree, Range
from lissome.compression.quantization.correct_bias import CorrectBias
from lissome.compression.quantization.equalize_layers import EqualizeLayers
from lissome.compression.quantization.foresee import foresee
from lissome.compression.quantization.formats import Uniform
from lissome.compression.quantization.quantize import Quantize
from lissome.compression.quantization.spread import Spread
from lissome.core.context import Context
from lissome.core.errors import SettingError
from lissome.core.module_graph import trace
from lissome.core.seeded import seeded
from lissome.data.task import Task
from lissome.layers.fake_quantize import FakeQuantize
from lissome.layers.folded_norm import FoldedNorm
from lissome.models.create import create
from lissome.tracing.batch_norm_folding import fold_batch_norms

MEANS, DEVIATIONS = torch.tensor([-2.0, -0.3, 0.0, 1.0, 7.0]), torch.tensor([0.5, 1.0, 2.0, 1.5, 3.0])
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "relu6": functional.relu6,
    "hardswish": functional.hardswish,
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "hardtanh": functional.hardtanh,
    "leaky_relu": functional.leaky_relu,
}


def _samples(seed: int = 0, count: int = 40_000) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return MEANS + DEVIATIONS * torch.randn(count, 5, generator=generator)


def _close(spread: Spread, samples: Tensor, tolerance: float = 0.03) -> None:
    scale = samples.std(0).clamp_min(0.05)
    assert ((spread.mean - samples.mean(0)).abs() / scale).max() < tolerance
    assert ((spread.variance.sqrt() - samples.std(0)).abs() / scale).max() < tolerance
    room = 0.005 * (spread.high - spread.low) + 1e-5  # a valley may lie between two of the points that are tried
    assert (spread.low - room <= samples.amin(0)).all()
    assert (spread.high + room >= samples.amax(0)).all()


class Function(nn.Module):
    def __init__(self, function: Callable[..., Tensor], parts: int = 1) -> None:
        super().__init__()
        self.norms = nn.ModuleList(FoldedNorm(5) for _ in range(parts))
        for one in self.norms:
            one.mean, one.deviation = MEANS, DEVIATIONS
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(*(one(x) for one in self.norms))


def _foreseen(model: nn.Module, shape: tuple[int, ...] = (1, 5), reach: float = 6.0) -> Spread:
    found: list[Spread] = []
    foresee(trace(model), [Spread.unknown(torch.zeros(shape))], reach, lambda _, spread: found.append(spread))
    return found[-1].each(lambda one: one.squeeze(0))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_a_function_makes_of_normal_values_is_foreseen(name: str) -> None:
    _close(_foreseen(Function(FUNCTIONS[name])), FUNCTIONS[name](_samples()))


def test_sums_differences_products_and_joins_are_foreseen() -> None:
    one, other = _samples(1), _samples(2)
    _close(_foreseen(Function(lambda a, b: a + b, 2)), one + other)
    _close(_foreseen(Function(lambda a, b: a * 2.0 - b, 2)), one * 2 - other)
    _close(_foreseen(Function(lambda a, b: torch.sigmoid(a) * b, 2)), torch.sigmoid(one) * other)
    joined = _foreseen(Function(lambda a, b: torch.cat([a, b.relu()], 1).flip(1), 2))
    _close(joined, torch.cat([one, other.relu()], 1).flip(1))


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(5, 6, 1), nn.Conv2d(5, 5, 3, groups=5, padding=1), nn.Linear(5, 4)], ids=str
)
def test_layers_without_normalisation_are_foreseen(layer: nn.Conv2d | nn.Linear) -> None:
    with seeded(0):
        layer.reset_parameters()
    flat = isinstance(layer, nn.Linear)
    spread = _foreseen(Function(layer), (1, 5) if flat else (1, 5, 4, 4))
    samples = _samples()[:4000]
    values = layer(samples if flat else samples[:, :, None, None].expand(-1, -1, 4, 4)).detach()
    if not flat:  # at the border fewer pixels are read than the rule for variances takes
        spread, values = spread.each(lambda one: one[:, 1:-1, 1:-1]), values[:, :, 1:-1, 1:-1]
    assert ((spread.mean - values.mean(0)).abs() / values.std(0)).max() < 0.1
    if flat or layer.kernel_size == (1, 1):  # type: ignore[union-attr]
        assert torch.allclose(spread.variance.sqrt(), values.std(0), rtol=0.08)
    assert (spread.variance.sqrt() > 0.9 * values.std(0)).all()  # pixels that move together, or do not: the larger


def _trained(model: nn.Module, context: Context) -> nn.Module:
    """Run training images through, so that the statistics of the normalisations are those of their inputs."""
    for one in model.modules():
        if isinstance(one, nn.BatchNorm2d):
            one.momentum = None
            with seeded(len(one.weight)), torch.no_grad():
                one.weight.uniform_(0.5, 1.5)
                one.bias.uniform_(-0.5, 0.5)
    model.train()
    with torch.no_grad():
        for images, _ in context.require_task().train.batches(64):
            model(images)
    return model.eval()


@pytest.fixture(scope="module")
def context() -> Context:
    images = np.random.default_rng(0).integers(0, 255, (72, 16, 16, 3)).astype(np.uint8)
    return Context(Task.from_arrays(images, np.arange(72) % 2, images[:8], np.arange(8) % 2))


@pytest.fixture(scope="module")
def network(context: Context) -> nn.Module:
    return _trained(create("resnet20", classes=2, seed=0), context)


def test_ranges_without_images_are_near_those_of_images(network: nn.Module, context: Context) -> None:
    seen = Quantize(images=64).apply(network, context).model
    foreseen = Quantize(calibrator=DataFree()).apply(network, context).model
    pairs = [
        (one.scale, other.scale)
        for one, other in zip(seen.modules(), foreseen.modules(), strict=True)
        if isinstance(one, FakeQuantize) and isinstance(other, FakeQuantize)
    ]
    assert len(pairs) == 51
    ratios = sorted(two / one for one, two in pairs)
    assert pairs[0][0] == pytest.approx(pairs[0][1], rel=0.02)  # the input: that of the pixels
    assert 0.8 < ratios[len(ratios) // 2] < 2.5
    images, _ = next(iter(context.require_task().train.batches(32)))
    with torch.no_grad():
        wanted, got = network(images), foreseen(images)
    assert functional.cosine_similarity(wanted.flatten(), got.flatten(), dim=0) > 0.99


def test_no_task_is_needed_where_the_range_of_the_input_is_told(network: nn.Module) -> None:
    step = Quantize(calibrator=DataFree(input=(0.0, 1.0)))
    outcome = step.apply(network, Context(example=torch.zeros(1, 3, 16, 16)))
    first = next(one for one in outcome.model.modules() if isinstance(one, FakeQuantize))
    assert (first.scale, first.zero_point) == (pytest.approx(1 / 255), 0)
    assert outcome.measurements["calibration_images"] == 0


def test_the_ends_are_those_of_the_widest_channel(context: Context) -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2, eps=0), nn.ReLU6(), nn.Conv2d(2, 2, 1), nn.Flatten())
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([0.25, -0.5]))
        model[1].bias.copy_(torch.tensor([1.0, 0.0]))
    outcome = Quantize(calibrator=DataFree(deviations=4.0)).apply(model.eval(), context)
    scales = [one.scale * 255 for one in outcome.model.modules() if isinstance(one, FakeQuantize)]
    assert scales[1] == pytest.approx(2.0)
    wide = Quantize(calibrator=DataFree(deviations=20.0)).apply(model, context)
    assert [one.scale * 255 for one in wide.model.modules() if isinstance(one, FakeQuantize)][1] == pytest.approx(6.0)


def test_what_cannot_be_foreseen_is_refused(context: Context) -> None:
    plain = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 2))
    with pytest.raises(SettingError, match="no batch normalisation"):
        Quantize(calibrator=DataFree()).apply(plain, context)

    class Sorted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm, self.second = nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.second(torch.cumsum(self.norm(self.first(x)), 1))

    with pytest.raises(SettingError, match="nothing tells what to expect of cumsum"):
        Quantize(calibrator=DataFree()).apply(Sorted().eval(), context)
    with pytest.raises(SettingError, match="range of the network's input"):
        Quantize(calibrator=DataFree()).apply(Sorted().eval(), Context(example=torch.zeros(1, 3, 4, 4)))


def test_an_equalised_network_still_knows(context: Context) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=4), nn.BatchNorm2d(4), nn.Flatten()
    )
    model = _trained(model, context)
    evened = EqualizeLayers().apply(model, context).model
    images, _ = next(iter(context.require_task().train.batches(64)))
    with torch.no_grad():
        values = evened[0](images)
    norm = evened[1]
    assert isinstance(norm, FoldedNorm)
    assert torch.allclose(norm.mean, values.mean((0, 2, 3)), atol=1e-3)
    assert torch.allclose(norm.deviation, values.std((0, 2, 3)), rtol=1e-2)


def test_a_pruned_network_still_knows(context: Context) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 2, 1))
    with torch.no_grad():
        model[1].bias.copy_(torch.arange(8.0))
    fold_batch_norms(model, remember=True)
    pruned = PruneChannels(keep=0.5, score=L1(), multiple_of=1).apply(model, context).model
    assert pruned[1].mean.shape == pruned[1].deviation.shape == (4,)
    assert pruned[1].channels == 4
    assert torch.allclose(pruned[0].bias - pruned[1].mean, (model[0].bias - model[1].mean)[pruned[1].mean.long()])


@pytest.mark.parametrize(
    "make",
    [
        lambda: DataFree(deviations=0),
        lambda: DataFree(input=(1.0, 1.0)),
        lambda: CorrectBias(source="guess"),  # type: ignore[arg-type]
        lambda: EqualizeLayers(source="guess"),  # type: ignore[arg-type]
    ],
)
def test_settings_out_of_range(make: Callable[[], object]) -> None:
    with pytest.raises(SettingError):
        make()


def test_it_chooses_what_it_is_given() -> None:
    seen = Range(counting=False)
    seen.update(torch.tensor([-1.0, 2.0]))
    assert DataFree().choose(seen) == (-1.0, 2.0)


def _chain() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU6(), nn.Conv2d(16, 16, 3, groups=16), nn.BatchNorm2d(16),
        nn.ReLU(), nn.Conv2d(16, 8, 1),
    )  # fmt: skip


def test_bias_correction_by_statistics_gives_back_the_mean(context: Context) -> None:
    with seeded(3):
        model = _trained(_chain(), context)
    coarse = Quantize(weights=Uniform(bits=3), ends=True, calibrator=DataFree()).apply(model, context).model
    outcome = CorrectBias(source="statistics").apply(coarse, Context(example=torch.zeros(1, 3, 16, 16)))
    assert [note.layer for note in outcome.declined] == ["0"]
    assert outcome.measurements == {"biases_corrected": 2}
    images, _ = next(iter(context.require_task().train.batches(64)))
    with torch.no_grad():  # of the last layer alone: the first keeps its shift, since its input is not known
        inputs = model[:6](images)
        wanted, rounded, corrected = (
            one(inputs).mean((0, 2, 3))
            for one in (model[6], coarse.get_submodule("6"), outcome.model.get_submodule("6"))
        )
    assert (corrected - wanted).abs().mean() < (rounded - wanted).abs().mean() / 3


def test_bias_correction_without_statistics_changes_nothing(context: Context) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()
    coarse = Quantize(weights=Uniform(bits=3), images=8).apply(model, context).model
    outcome = CorrectBias(source="statistics").apply(coarse, context)
    assert [note.layer for note in outcome.declined] == ["0", "2"]
    assert torch.equal(outcome.model.get_submodule("2").bias, coarse.get_submodule("2").bias)


def test_equalisation_by_statistics_needs_no_images(context: Context) -> None:
    with seeded(3):
        model = _trained(_chain(), context)
        factors = torch.logspace(-1, 1, 16)[torch.randperm(16)]
    with torch.no_grad():
        for one in (model[1].weight, model[1].bias):
            one.mul_(factors / 10)
    step = EqualizeLayers(source="statistics")
    outcome = step.apply(model, Context(example=torch.zeros(1, 3, 16, 16)))
    assert outcome.measurements["pairs_equalised"] == 2
    images, _ = next(iter(context.require_task().train.batches(64)))
    with torch.no_grad():
        assert torch.allclose(outcome.model(images), model(images), atol=1e-3)
    folded = EqualizeLayers(relu6="skip").apply(model, context).model

    def spread(network: nn.Module) -> float:
        largest = network[0].weight.detach().abs().flatten(1).amax(1)  # type: ignore[index]
        return float(largest.max() / largest.min())

    assert spread(outcome.model) < spread(folded) / 2
    plain = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU6(), nn.Conv2d(4, 2, 1)).eval()
    (declined,) = step.apply(plain, context).declined
    assert declined.reason.endswith("no batch normalisation tells how large its channels get")


@pytest.mark.parametrize("kind", [nn.ReLU, nn.ReLU6, nn.Identity])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_absorbed_bias_leaves_the_output_and_narrows_the_range(kind: type[nn.Module], groups: int) -> None:
    with seeded(1):
        model = nn.Sequential(
            nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), kind(), nn.Conv2d(4, 8, 3, groups=groups, bias=False), nn.Flatten()
        ).eval()
    with torch.no_grad():  # the values stay above what is absorbed: 2.5 ± 0.5 at most, 1 absorbed
        model[0].weight.mul_(0.1)
        model[0].bias.zero_()
        model[1].weight.fill_(0.5)
        model[1].bias.copy_(torch.tensor([2.5, 2.5, 0.5, 5.5]))
    images = torch.rand(8, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    outcome = AbsorbBias().apply(model, Context(example=images[:1]))
    absorbed = outcome.model[1].mean
    assert outcome.measurements == {"layers_absorbed": 1}
    above = 5.5 if kind is nn.ReLU6 else 1.5  # what ReLU6 may clip is left
    assert absorbed.tolist() == pytest.approx([1.5, 1.5, 0.5, above], abs=1e-4)
    with torch.no_grad():
        assert torch.allclose(outcome.model(images), model(images), atol=1e-4)
        assert outcome.model[:3](images)[:, :2].max() < model[:3](images)[:, :2].max() - 0.9


def test_what_pads_with_zeros_or_is_not_known_absorbs_nothing() -> None:
    padded = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1)).eval()
    bare = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 3)).eval()
    for model, reason in ((padded, "zeros are padded before 3"), (bare, "no batch normalisation tells")):
        outcome = AbsorbBias().apply(model, Context(example=torch.zeros(1, 3, 6, 6)))
        assert outcome.measurements == {"layers_absorbed": 0}
        assert outcome.declined[0].reason.startswith(reason)
    with pytest.raises(SettingError):
        AbsorbBias(deviations=0)
