"""Every network of the catalog loses half of its channels; every light one runs on the engines as it does in torch.

In their cheapest form: 32x32 pixels, half the width where there is such a setting. `benchmarks/zoo.py` proves all of
them on the engines, at full size.
"""

import functools
import inspect

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

import lissome as ls
from lissome.core.names import load_attribute
from lissome.exporting.converters import CONVERTERS, Examples
from lissome.exporting.parity import compare
from lissome.models.catalog import CATALOG
from lissome.models.create import create
from lissome.runtimes.table import get_runtime

ARCHITECTURES = {
    entry.build: name for name, entry in sorted(CATALOG.items(), key=lambda item: item[1].macs, reverse=True)
}
"""The lightest network of each architecture."""

LIGHT = [name for name in ARCHITECTURES.values() if CATALOG[name].macs < 2_000_000_000 and CATALOG[name].params < 12e6]
"""What is converted for the engines here; converting the others takes minutes."""

ROUNDS = {
    ("resnet164", "ncnn"): "ncnn's Winograd F(6x6, 3x3) rounding adds up over 164 layers of random weights to 2e-3; "
    "without Winograd it is 2e-4, as torch's own",
}
"""Conversions that may be beyond the limits here, with the reason."""

FULL_WIDTH = ("shufflenet_v1", "igcv")
"""Networks whose permutations tie more channels at half the width."""


@functools.cache
def form_of(name):
    """Return the settings and the image shape of the cheapest form."""
    entry = CATALOG[name]
    known = inspect.signature(load_attribute(entry.build)).parameters
    settings = {"small_input": True} if "small_input" in known else {}
    if "width" in known and not name.startswith(FULL_WIDTH):
        settings["width"] = 0.5
    sides = (32, 32) if settings.get("small_input") or entry.input[1] == 32 else (64, 64)
    return settings, (entry.input[0], *sides)


def with_statistics(model, images):
    """Take batch normalisation's statistics from images, as training does.

    Without, a deep network of random weights multiplies rounding errors until no two engines agree.
    """
    norms = [one for one in model.modules() if isinstance(one, _BatchNorm)]
    momenta = [one.momentum for one in norms]
    for one in norms:
        one.momentum = 1.0
    model.train()
    with torch.no_grad():
        model(images)
    for one, momentum in zip(norms, momenta, strict=True):
        one.momentum = momentum
    return model.eval()


@pytest.mark.parametrize("name", CATALOG)
def test_half_of_its_channels_go(name):
    settings, shape = form_of(name)
    model = create(name, classes=7, seed=0, **settings)
    images = torch.randn(2, *shape)
    outcome = ls.PruneChannels(keep=0.5, score=ls.scores.Random()).apply(model, ls.Context(example=images[:1]))
    output = outcome.model.train()(images)
    assert output.shape == model(images).shape
    output.sum().backward()
    missing = [path for path, one in outcome.model.named_parameters() if one.requires_grad and one.grad is None]
    assert missing == []
    kept = outcome.measurements["params"] / outcome.measurements["params_before"]
    assert kept <= 0.75


def conversions():
    for name in LIGHT:
        for engine in ("onnxruntime", "ncnn"):
            reason = ROUNDS.get((name, engine))
            marks = [pytest.mark.xfail(raises=ls.ParityError, reason=reason)] if reason else []
            yield pytest.param(name, engine, marks=marks)


@pytest.mark.parametrize(("name", "engine"), list(conversions()))
def test_an_engine_computes_what_torch_computes(name, engine, tmp_path):
    settings, shape = form_of(name)
    images = torch.randn(3, *shape)
    model = with_statistics(create(name, classes=7, seed=0, **settings), torch.randn(16, *shape))
    conversion = CONVERTERS[engine](model, Examples((images[:1],)), tmp_path)
    assert conversion.note == ""
    outputs = get_runtime(engine).load(tmp_path).run(images.numpy())
    with torch.no_grad():
        expected = model(images)
    (parity,) = compare([expected.numpy()], outputs, engine=engine).require().outputs
    # Images that all give the same would agree whatever the engine did with them.
    assert (expected[0] - expected[1]).abs().max() > 100 * parity.max_abs
