"""Every network of the catalog: exact cost, right shapes, gradients everywhere, a clean graph, honoured settings."""

import csv
import functools
import inspect
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from lissome.core.errors import SettingError
from lissome.core.names import load_attribute
from lissome.models.catalog import CATALOG
from lissome.models.create import create

ROWS = list(csv.DictReader((Path(__file__).parent / "data/zoo_counted.csv").read_text().splitlines()))
NAMES = list(CATALOG)
LARGEST = sorted(NAMES, key=lambda name: -CATALOG[name].params)[:3]


def settings_of(name):
    return inspect.signature(load_attribute(CATALOG[name].build)).parameters.keys()


def device_for(name):
    """Return "meta", tensors with shapes and no values, for the large networks: 115 M parameters cost nothing there.

    Small networks are faster with values, because "meta" spends about a millisecond on each operator.
    """
    entry = CATALOG[name]
    return "cpu" if entry.params < 12_000_000 and entry.macs < 1_000_000_000 else "meta"


def built(name, **settings):
    with torch.device(device_for(name)):
        return create(name, seed=0, **settings)


@functools.cache
def cost_of(name, shape, **settings):
    """Count parameters, and MACs of convolutions and linear layers, from weights and output sizes alone."""
    macs = []

    def count(layer, inputs, output):
        # A transposed convolution multiplies once per weight and INPUT pixel, all others per output pixel.
        pixels = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        macs.append(layer.weight[0].numel() * pixels.numel())

    model = built(name, **settings)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        model(torch.zeros(1, *shape, device=device_for(name)))
    return sum(parameter.numel() for parameter in model.parameters()), sum(macs)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['name']}-{row['input']}")
def test_cost_equals_the_published_count(row):
    # The catalog's own number of classes is not passed, so that it is checked too.
    classes = {"classes": 100} if row["classes"] == "100" else {}
    side = int(row["input"])
    assert cost_of(row["catalog"], (3, side, side), **classes) == (int(row["params"]), int(row["macs"]))


@pytest.mark.parametrize("name", NAMES)
def test_cost_equals_the_catalogs(name):
    entry = CATALOG[name]
    assert cost_of(name, entry.input) == (entry.params, entry.macs)


@pytest.mark.parametrize("name", sorted({row["catalog"] for row in ROWS if row["top1_err"]}))
def test_top1_is_that_of_published_weights(name):
    published = [100 - float(row["top1_err"]) for row in ROWS if row["catalog"] == name and row["top1_err"]]
    assert any(CATALOG[name].top1 == pytest.approx(value, abs=1e-6) for value in published)


@pytest.mark.parametrize("name", NAMES)
def test_graph_holds_every_layer_and_sends_gradients_to_every_parameter(name, form_for_tests):
    settings, (_, *sides) = form_for_tests(name)
    model = built(name, classes=7, input_channels=1, **settings)
    assert not model.training
    graph = torch.fx.symbolic_trace(model)
    called = {node.target for node in graph.graph.nodes if node.op == "call_module"}
    weighted = {path for path, one in model.named_modules() if isinstance(one, nn.Conv2d | nn.Linear)}
    assert weighted <= called
    images = torch.randn(2, 1, *sides, generator=torch.Generator().manual_seed(0)).to(device_for(name))
    output = graph(images)
    assert output.shape[:2] == (2, 7)
    assert output.ndim == 2 or output.shape[2:] == torch.Size(sides)
    output.sum().backward()
    assert [path for path, one in model.named_parameters() if one.requires_grad and one.grad is None] == []
    if not output.is_meta:
        assert torch.isfinite(output).all()
        assert not torch.equal(output[0], output[1])


@pytest.mark.parametrize("name", NAMES)
def test_width_scales_the_parameters_or_is_refused(name):
    if "width" not in settings_of(name):
        with pytest.raises(SettingError, match="no setting width"):
            create(name, width=0.5)
        return
    params = [sum(one.numel() for one in built(name, width=width).parameters()) for width in (0.5, 1.0, 2.0)]
    assert params[0] < params[1] < params[2]


@pytest.mark.parametrize("name", LARGEST)
def test_builds_in_three_seconds(name):
    start = time.process_time()
    create(name)
    assert time.process_time() - start < 3


def test_catalog_loads_no_torch():
    program = "import sys, lissome.models.catalog; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
