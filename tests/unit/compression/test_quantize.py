"""Int8: formats, ranges, where quantizers go, and what is left of the outputs."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from lissome.compression.quantization.calibrators import MinMax, Percentile, Range
from lissome.compression.quantization.formats import Int8
from lissome.compression.quantization.quantize import Quantize
from lissome.core.context import Context
from lissome.core.errors import SettingError
from lissome.data.task import Task
from lissome.layers.fake_quantize import FakeQuantize, QuantizedConv2d, is_quantized, without_quantization
from lissome.models.create import create

VALUES = st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=50)


@pytest.fixture
def context() -> Context:
    images = np.random.default_rng(0).integers(0, 255, (80, 16, 16, 3)).astype(np.uint8)
    return Context(Task.from_arrays(images, np.arange(80) % 2, images, np.arange(80) % 2))


@given(VALUES)
def test_rounding_errs_by_half_a_step_and_keeps_zero(values: list[float]) -> None:
    x = torch.tensor(values)
    scale, zero_point = Int8().activation_scale(float(x.min()), float(x.max()))
    rounded = FakeQuantize(scale, zero_point)(torch.cat([x, torch.zeros(1)]))
    assert 0 <= zero_point <= 255
    assert rounded[-1] == 0
    # The ends may lie half a step outside, since zero must fall on a whole number.
    assert (rounded[:-1] - x).abs().max() <= scale * 1.001 + 1e-6


@given(VALUES, st.integers(0, 2**31))
def test_a_scale_a_channel_is_never_worse(values: list[float], seed: int) -> None:
    factors = torch.rand(len(values), 1, generator=torch.Generator().manual_seed(seed))
    weight = torch.randn(len(values), 9, generator=torch.Generator().manual_seed(seed)) * factors

    def error(per: str) -> float:
        scale = Int8(per=per).weight_scale(weight)
        zero = torch.zeros(len(scale), dtype=torch.int32)
        rounded = torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -128, 127)
        return float((rounded - weight).abs().amax(1).sub(scale / 2).max())

    assert error("channel") <= 1e-6
    assert error("tensor") <= 1e-6
    assert (Int8(per="channel").weight_scale(weight) <= Int8(per="tensor").weight_scale(weight)).all()


@given(st.lists(st.integers(1, 200), min_size=1, max_size=4), st.integers(0, 1000))
def test_ranges_of_batches_are_ranges_of_all(sizes: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    batches = [generator.normal(size=size).astype(np.float32) * 3 for size in sizes]
    seen = Range()
    for one in batches:
        seen.update(torch.from_numpy(one))
    whole = np.concatenate(batches)
    assert MinMax().choose(seen) == (pytest.approx(whole.min(), abs=1e-6), pytest.approx(whole.max(), abs=1e-6))
    assert seen.counts.sum() == whole.size
    width = max(float(whole.max() - whole.min()), 1e-6)
    below = np.mean(whole <= seen.quantile(0.5) + 0.01 * width)
    assert below >= 0.5


def test_a_percentile_leaves_outliers_out() -> None:
    seen = Range()
    seen.update(torch.cat([torch.linspace(-1, 1, 100_000), torch.tensor([50.0, -80.0])]))
    low, high = Percentile(percent=99.9).choose(seen)
    assert -1.1 < low < -0.9
    assert 0.9 < high < 1.1


@pytest.mark.parametrize(
    "make",
    [
        lambda: Int8(per="row"),  # type: ignore[arg-type]
        lambda: Percentile(percent=50),
        lambda: Quantize(images=0),
        lambda: Quantize(activations=Int8(per="channel")),
    ],
)
def test_settings_out_of_range(make: Callable[[], object]) -> None:
    with pytest.raises(SettingError):
        make()


class Block(nn.Module):
    """A residual block with pooling, a move and a concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.n, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, padding=1)
        self.pool, self.end = nn.MaxPool2d(2), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.n(self.a(x)))
        x = self.pool(functional.relu(self.b(x) + x))
        return self.end(torch.cat([x, x], 1).mean((2, 3)))


def test_every_computing_layer_rounds_and_the_output_stays_float(context: Context) -> None:
    outcome = Quantize(images=32).apply(Block(), context)
    layers = {name: type(layer).__name__ for name, layer in outcome.model.named_modules() if "." not in name}
    assert [layers[name] for name in ("a", "b", "end")] == ["QuantizedConv2d", "QuantizedConv2d", "QuantizedLinear"]
    assert layers["n"] == "FoldedNorm"
    nodes = list(outcome.model.graph.nodes)
    assert nodes[-1].args[0].target == "end"
    kinds = {"fake" for one in nodes if isinstance(_layer(outcome.model, one), FakeQuantize)}
    assert kinds == {"fake"}
    for one in nodes:  # what a computing layer reads has been rounded
        if one.target in ("a", "b", "end"):
            assert isinstance(_layer(outcome.model, one.args[0]), FakeQuantize)
    pools = [one for one in nodes if one.target == "pool"]
    before, after = _layer(outcome.model, pools[0].args[0]), _layer(outcome.model, next(iter(pools[0].users)))
    assert (before.scale, before.zero_point) == (after.scale, after.zero_point)


def _layer(model: nn.Module, node: torch.fx.Node) -> nn.Module:
    return model.get_submodule(node.target) if node.op == "call_module" else nn.Identity()


def test_a_real_network_stays_close_and_float_comes_back(context: Context) -> None:
    model = create("resnet20", classes=2, seed=0).train()
    for images, _ in context.require_task().train.batches(64):
        model(images)
    model.eval()
    outcome = Quantize().apply(model, context)
    images, _ = next(context.require_task().test.batches(32))
    with torch.no_grad():
        expected, rounded = model(images), outcome.model(images)
        restored = without_quantization(outcome.model)(images)
    assert functional.cosine_similarity(expected.flatten(), rounded.flatten(), dim=0) > 0.99
    assert not torch.equal(expected, rounded)
    assert torch.allclose(restored, expected, atol=1e-4)
    assert is_quantized(outcome.model)
    assert not is_quantized(model)
    assert outcome.measurements["layers_quantized"] == 20


def test_depthwise_layers_round_too(context: Context) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 6, 1),
        nn.Conv2d(6, 6, 3, groups=6),
        nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 2),
    )
    outcome = Quantize(images=16).apply(model, context)
    assert isinstance(outcome.model.get_submodule("1"), QuantizedConv2d)
    assert outcome.model.get_submodule("1").weight_scale.shape == (6,)
