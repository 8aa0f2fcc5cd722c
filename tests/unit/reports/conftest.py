"""A comparison with real layers and receipts, and plausible figures where an engine would have to be timed."""

import copy
from types import SimpleNamespace

import pytest
import torch

from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.scores import L1
from lissome.core.context import Context
from lissome.core.recipe import Recipe
from lissome.models.create import create
from lissome.profiling.profile import profile

ENGINES = ("onnxruntime", "ncnn")


@pytest.fixture(scope="session")
def pruned():
    """A really pruned ResNet-20: the outcome, and the profiles before and after."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = create("resnet20")
    recipe = Recipe(PruneChannels(keep=0.6, score=L1()))
    outcome = recipe.apply(model, Context(example=torch.zeros(1, 3, 32, 32)))
    shape = (1, 3, 32, 32)
    before, after = profile(model, shape), profile(outcome.model, shape)
    timed = profile(model, shape, device="raspberry_pi_4")
    return SimpleNamespace(outcome=outcome, before=before, after=after, timed=timed)


@pytest.fixture(scope="session")
def whole_comparison(pruned):
    """What a comparison gives as a dict; tests that change it take `comparison`."""
    return {
        "name": "resnet20",
        "seed": 0,
        "seconds": 171.2,
        "stage_seconds": {"compress": 120.0, "export": 20.0, "accuracy": 6.0, "latency": 25.2},
        "versions": {"lissome": "0.1.0", "torch": "2.13.0", "onnxruntime": "1.23.0", "ncnn": "1.0.2"},
        "machine": {"cpu": "Some CPU", "features": ["AVX2"], "cores": 2, "threads": 1},
        "test_images": 2000,
        "original": _side(pruned.before, (1080.2, 1060.0), "float32", (0.917, 0.917), (0.61, 0.9)),
        "compressed": _side(pruned.after, (237.4, 331.0), "int8", (0.909, 0.912), (0.321, 0.925)),
        "speedup": {
            "onnxruntime": {"ratio": 1.9, "low": 1.8, "high": 2.0, "rounds": 120},
            "ncnn": {"ratio": 0.97, "low": 0.94, "high": 1.01, "rounds": 110},
        },
        "parity": {engine: {"original": _parity(4e-6), "compressed": _parity(6e-2)} for engine in ENGINES},
        "profile_original": pruned.before.to_dict(),
        "profile_compressed": pruned.after.to_dict(),
        "outcome": {"step": "Recipe", "parts": [*pruned.outcome.to_dict()["parts"], _train()]},
        "recipe_toml": '[[step]]\nkind = "PruneChannels"\nkeep = 0.6\n',
        "reproduce": ["lissome demo --out demo/"],
        "warnings": ["ncnn: holds the float network"],
    }


@pytest.fixture
def comparison(whole_comparison):
    """A copy of its own for each test."""
    return copy.deepcopy(whole_comparison)


@pytest.fixture(scope="session")
def result_of():
    """Make a result of a dict."""
    return lambda table: SimpleNamespace(to_dict=lambda: table)


def _side(cost, files, precision, accuracy, latency):
    return {
        "params": cost.params,
        "macs": cost.macs,
        "file_kib": files[0],
        "engine_file_kib": dict(zip(ENGINES, files, strict=True)),
        "precision": {"onnxruntime": precision, "ncnn": "float32"},
        "accuracy": {"torch": accuracy[0], **dict(zip(ENGINES, accuracy, strict=True))},
        "latency_ms": dict(zip(ENGINES, latency, strict=True)),
        "latency_ms_min": {engine: 0.95 * one for engine, one in zip(ENGINES, latency, strict=True)},
        "latency_ms_max": {engine: 1.8 * one for engine, one in zip(ENGINES, latency, strict=True)},
    }


def _parity(difference):
    return {
        "max_abs": 20 * difference,
        "max_rel": difference,
        "cosine": 1 - difference**2,
        "top1_agreement": 1.0,
        "samples": 16,
        "passed": True,
    }


def _train():
    history = [{"epoch": epoch, "loss": 2 / epoch, "val_metric": 0.9 - 0.3 / epoch, "seconds": 9.0} for epoch in (1, 2)]
    measurements = {"val_metric_before": 0.112, "val_metric": 0.75, "best_epoch": 2, "history": history}
    return {
        "step": "Train",
        "settings": {"kind": "Train", "epochs": 2, "teacher": "original"},
        "seconds": 18.0,
        "measurements": measurements,
        "notes": [{"layer": "", "reason": "the last epoch was the best", "applied": True}],
        "parts": [],
    }
