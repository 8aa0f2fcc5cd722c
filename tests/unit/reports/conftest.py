"""A comparison with real layers and receipts, and plausible figures where an engine would have to be timed."""

import copy
from types import SimpleNamespace

import pytest
import torch

from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.scores import L1
from lissome.core.context import Context
from lissome.core.recipe import Recipe
from lissome.devices.catalog import find_device
from lissome.models.create import create
from lissome.profiling.profile import profile
from lissome.profiling.roofline import predict
from lissome.tuning.trials.views import scales_of

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
    return SimpleNamespace(model=model, outcome=outcome, before=before, after=after, timed=timed)


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


@pytest.fixture(scope="session")
def whole_search(whole_comparison, pruned):
    """What a search gives as a dict: three networks, one that failed, one full recovery."""
    widths = [["stem.conv", 16], ["stages.stage1.0.conv1", 16], ["stages.stage1.1.conv1", 16]]
    trials = [
        _trial(0, {"blocks": 0, "numbers": "float32"}, 0.61, 0.0, 1000.0, widths),
        _trial(1, {"blocks": 0, "numbers": "int8"}, 0.35, 0.004, 260.0, widths),
        _trial(2, {"blocks": 1, "numbers": "int8"}, 0.29, 0.03, 200.0, widths[:2], missed={"max_drop": 2.0}),
        {
            **_trial(3, {"blocks": 9}, 1.0, 0.0, 1.0, []),
            "figures": {},
            "failed": True,
            "reason": "9 blocks <cannot> go",
        },
    ]
    full = {**_trial(2, {"blocks": 1, "numbers": "int8"}, 0.29, 0.008, 200.0, widths[:2]), "stage": "full"}
    return {
        "name": "resnet20",
        "path": "runs/a",
        "seed": 0,
        "limit": {"max_drop": 0.01, "max_ms": 0.5},
        "trials": trials,
        "finalists": [full],
        "winner": full,
        "front": [2, 1, 0],
        "verdict": "all limits are kept on the validation images by trial 2",
        "is_reproduced": True,
        "missed": {},
        "seconds": 300.0,
        "survey": {
            "milliseconds": {"onnxruntime float32": 0.61, "onnxruntime int8, quantized": 0.35},
            "declined": ["ncnn float16: has no such units"],
            "machine": {"cpu": "Some CPU"},
        },
        "comparison": whole_comparison,
        "views": {
            "sensitivity": {
                "base": 0.9,
                "keep": [0.25, 0.75],
                "groups": [
                    {"name": "stages.stage1.0.conv1", "channels": 16, "metric": [0.8, 0.9]},
                    {"name": "stages.stage1.1.conv1", "channels": 16, "metric": [0.5, 0.88]},
                ],
            },
            "scales": {"original": scales_of(pruned.model), "winner": scales_of(pruned.outcome.model)},
            "roofline": predict(pruned.after, find_device("raspberry_pi_4")).to_dict(),
        },
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


def _trial(number, parameters, milliseconds, drop, kib, widths, missed=None):
    return {
        "number": number,
        "stage": "short",
        "parameters": parameters,
        "way": "onnxruntime int8",
        "recipe_toml": f'[[steps]]\nkind = "Step{number}"\n',
        "seed": 0,
        "figures": {
            "accuracy": 0.9 - drop,
            "drop": drop,
            "latency_ms": milliseconds,
            "speedup": 0.61 / milliseconds,
            "speedup_low": 0.6 / milliseconds,
            "speedup_high": 0.62 / milliseconds,
            "size_kib": kib,
            "stored_kib": kib,
            "params": 1000.0,
            "macs": 2000.0,
        },
        "missed": missed or {},
        "artifact_sha256": "ab" * 32,
        "widths": widths,
        "declined": ["declined conv: its channels reach the output"],
        "started": 10.0 * number,
        "seconds": 9.0,
        "reason": "",
        "failed": False,
    }
