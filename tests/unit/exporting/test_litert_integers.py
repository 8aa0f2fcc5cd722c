"""LiteRT gets the integers that the network was judged with."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from lissome.compression.quantization.formats import Uniform
from lissome.compression.quantization.quantize import Quantize
from lissome.core.context import Context
from lissome.core.module_graph import trace
from lissome.data.task import Task
from lissome.exporting.export import check_integers, export
from lissome.exporting.litert_floats import multiplied_in_float
from lissome.layers.fake_quantize import FakeQuantize
from lissome.models.create import create
from lissome.runtimes.litert_integers import with_integer_operators


class Net(nn.Module):
    """Layers with every kind of successor: clipped by a layer and by a function, added, pooled, the end."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.act = nn.ReLU6()
        self.third = nn.Conv2d(8, 8, 1)
        self.end = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.first(x))
        x = x + self.third(self.act(self.second(x)))
        return self.end(x.mean((2, 3)))


@pytest.fixture(scope="module")
def context() -> Context:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 255, (64, 8, 8, 3), generator=generator).to(torch.uint8).numpy()
    labels = (torch.arange(64) % 4).numpy()
    return Context(Task.from_arrays(images, labels, images, labels))


@pytest.mark.parametrize("bits", [8, 4])
def test_the_operators_compute_what_was_judged(context: Context, bits: int) -> None:
    torch.manual_seed(0)
    model = Quantize(weights=Uniform(bits=bits), images=32).apply(Net().eval(), context).model
    inputs = torch.randn(4, 3, 8, 8)
    with torch.no_grad():
        wanted = model(inputs)
        ready = with_integer_operators(trace(model))
        found = ready(inputs)
    assert not any(isinstance(one, FakeQuantize) for one in ready.modules())
    assert torch.allclose(found, wanted, atol=1e-6)
    kinds = {str(node.target) for node in torch.export.export(ready, (inputs[:1],)).graph.nodes}
    assert {f"quantized_decomposed.{one}_per_tensor.default" for one in ("quantize", "dequantize")} <= kinds
    assert "quantized_decomposed.quantize_per_channel.default" in kinds


def test_only_layers_that_nothing_rounds_behind_are_named(context: Context) -> None:
    model = Quantize(images=32).apply(Net().eval(), context).model
    assert multiplied_in_float(trace(model)) == ("end",)


def test_integers_are_not_refused() -> None:
    check_integers(["litert"])


def test_the_file_multiplies_integers_and_agrees(context: Context, tmp_path: Path) -> None:
    pytest.importorskip("litert_torch", reason="litert-torch is not installed")
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    torch.manual_seed(0)
    outcome = Quantize(images=32).apply(create("resnet20", classes=4), context)
    artifact = export(outcome, tmp_path / "net.lissome", runtimes=["litert"], context=context)
    entry = artifact.card.engines["litert"]
    assert entry.precision == "int8"
    assert entry.note == "float in litert: classifier"
    assert json.loads(json.dumps(entry.parity))["passed"]
    session = artifact.session("litert", options={"xnnpack": False})
    images, _ = next(iter(context.require_task().test.batches(5)))
    assert session.run(images.numpy())[0].shape == (5, 4)
