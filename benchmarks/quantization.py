"""Formats and bits against accuracy, size and time; int8 of a depthwise network beside two peers.

Run from the project's root, with the data of `docs/data.md`:

    python benchmarks/quantization.py --only-accuracy     # may run beside other work
    python benchmarks/quantization.py                     # adds the times; run it alone

CIFAR: each network in each format, on the 10,000 test images, computed by the engines; ranges are calibrated on 256
training images. EfficientNet-Lite0 is in `quantization_lite.py`. Finished cells are kept in `runs/quantization`;
started again, it goes on from there. Writes `results/quantization.json` and `docs/quantization.md`.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from common import cell, machine_and_versions, write_result
from lissome.cli.progress import TerminalProgress
from lissome.compression.quantization import calibrators, formats
from lissome.compression.quantization.ada_round import AdaRound
from lissome.compression.quantization.correct_bias import CorrectBias
from lissome.compression.quantization.equalize_layers import EqualizeLayers
from lissome.compression.quantization.quantize import Quantize
from lissome.compression.quantization.quantize_weights import QuantizeWeights
from lissome.core.context import Context
from lissome.core.errors import LissomeError
from lissome.core.preprocessing import Preprocessing
from lissome.core.recipe import Recipe
from lissome.core.step import Step
from lissome.data.cifar10 import PREPROCESSING, default_folder
from lissome.data.task import Task
from lissome.exporting.export import export
from lissome.models.create import create
from lissome.models.weights import load_weights
from lissome.runtimes.accuracy import engine_accuracy
from lissome.runtimes.artifact import Artifact, load
from lissome.timing.measure import Timing
from lissome.timing.pinned import pinned
from lissome.timing.sessions import measure_sessions
from quantization_lite import CALIBRATION, lite_cells, lite_times
from quantization_page import write_page

RUNS = Path("runs/quantization")
ENGINES = ("onnxruntime", "ncnn")


def _pixel_range() -> tuple[float, float]:
    """Return what the darkest and the brightest pixel of CIFAR-10 become."""
    pairs = list(zip(PREPROCESSING.mean, PREPROCESSING.std, strict=True))
    return min(-mean / std for mean, std in pairs), max((1 - mean) / std for mean, std in pairs)


INTEGER: dict[str, Step | None] = {
    "float32": None,
    "int8": Quantize(),
    "int8, bias corrected": Recipe(Quantize(), CorrectBias()),
    "w4a8 AdaRound": Recipe(Quantize(weights=formats.Uniform(bits=4)), AdaRound()),
}
"""What both engines compute."""

OTHERS: dict[str, Step | None] = {
    "int8 per tensor": Quantize(weights=formats.Int8()),
    "int8, scales powers of two": Quantize(weights=formats.PowerOfTwo(), activations=formats.PowerOfTwo()),
    "w4a8 nearest": Quantize(weights=formats.Uniform(bits=4)),
    "w3a8 AdaRound": Recipe(Quantize(weights=formats.Uniform(bits=3)), AdaRound()),
    **{f"weights int{bits}": QuantizeWeights(bits=bits) for bits in (8, 6, 5, 4, 3, 2)},
    "weights log2, 4 bits": QuantizeWeights(format=formats.Log2(bits=4)),
    "weights ternary": QuantizeWeights(format=formats.Ternary()),
    "weights binary": QuantizeWeights(format=formats.Binary()),
    "weights float16": QuantizeWeights(format=formats.Float16()),
    "weights bfloat16": QuantizeWeights(format=formats.BFloat16()),
    "int8, no image read": Recipe(
        EqualizeLayers(source="statistics"),
        Quantize(calibrator=calibrators.DataFree(input=_pixel_range())),
        CorrectBias(source="statistics"),
    ),
}
"""What is judged on the first engine alone."""

FORMATS = {"resnet20": INTEGER | OTHERS, "resnet56": INTEGER | OTHERS, "mlperf_tiny_resnet8": INTEGER}


def main() -> None:
    """Fill the cells, then write the table and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only-accuracy", action="store_true", help="no times")
    parser.add_argument("--seconds", type=float, default=20.0, help="for the latencies of each network on an engine")
    parser.add_argument("--repeats", type=int, default=2, help="of what takes long: quantizing, by each tool")
    parser.add_argument("--limit", type=int, default=None, help="test images and cells, for a try; nothing is written")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp()) if arguments.limit else RUNS
    folder.mkdir(parents=True, exist_ok=True)
    table: dict[str, Any] = {
        **machine_and_versions("onnxruntime", "onnx", "ncnn", "openvino"),
        "seed": 0,
        "calibration_images": {"cifar10": Quantize().images, "efficientnet_lite0": CALIBRATION},
    }
    with TerminalProgress() as progress:
        for name, (task, model) in _networks().items():
            context = Context(task, seed=0, progress=progress)
            table[name] = cifar_cells(name, model, context, folder, arguments.limit)
        table["efficientnet_lite0"] = lite_cells(folder, progress, arguments.limit)
        if not arguments.only_accuracy:
            for name in FORMATS:
                _add_times(name, table[name], folder, arguments.seconds)
            table["efficientnet_lite0"] |= lite_times(folder, arguments)
    print(json.dumps(table, indent=1))
    if not arguments.limit:
        write_result("quantization", table)
        write_page(table)


def _networks() -> dict[str, tuple[Task, nn.Module]]:
    weights = default_folder().parent / "weights"
    normal = Task.from_cifar10()
    found: dict[str, tuple[Task, nn.Module]] = {}
    for name in ("resnet20", "resnet56"):
        model = create(name)
        load_weights(model, next(weights.glob(f"cifar10_resnet_akamaster/{name}-*.th")))
        found[name] = normal, model.eval()
    small = create("mlperf_tiny_resnet8")
    load_weights(small, weights / "mlperf_tiny/pretrainedResnet.h5")
    parts = [(one.raw(), one.labels()) for one in (normal.train, normal.validation, normal.test)]
    (train, train_labels), (validation, validation_labels), (test, test_labels) = parts
    plain = Task.from_arrays(
        np.concatenate([train, validation]),
        np.concatenate([train_labels, validation_labels]),
        test,
        test_labels,
        preprocessing=Preprocessing(channels=3, height=32, width=32, scale=1.0),
    )
    found["mlperf_tiny_resnet8"] = plain, small.eval()
    return found


def cifar_cells(name: str, model: nn.Module, context: Context, folder: Path, limit: int | None) -> dict[str, Any]:
    """Return accuracy and size of a network in every format, by format and engine."""
    found: dict[str, Any] = {}
    for title, step in list(FORMATS[name].items())[:limit]:
        for engine in ENGINES if title in INTEGER else ENGINES[:1]:
            make = partial(_cifar_cell, model, step, context, _file(folder, name, title, engine), limit)
            found.setdefault(title, {})[engine] = cell(folder, f"{name} {title} {engine}", make)
    return found


def _file(folder: Path, name: str, title: str, engine: str) -> Path:
    return folder / f"{name}_{list(FORMATS[name]).index(title)}_{engine}.lissome"


def _cifar_cell(model: nn.Module, step: Step | None, context: Context, path: Path, limit: int | None) -> dict[str, Any]:
    engine = path.stem.rpartition("_")[2]
    try:
        outcome = step.apply(model, context) if step else model
        artifact: Artifact = export(outcome, path, runtimes=[engine], context=context)
    except LissomeError as error:
        return {"declined": str(error)}
    task = context.require_task()
    return {
        "test_accuracy": engine_accuracy(artifact.session(engine), task.test, task.metric, limit=limit),
        "file_kib": artifact.size_kib(engine),
        "stored_kib": artifact.stored_kib(engine),
        "note": artifact.card.engines[engine].note,
    }


def timed(artifacts: Mapping[str, Artifact], engine: str, seconds: float) -> Timing:
    """Time artifacts of one input shape in turn against "float32", one thread."""
    shape = artifacts["float32"].card.input_shapes[0]
    with pinned(1):
        sessions = {title: one.session(engine, threads=1) for title, one in artifacts.items()}
        image = np.random.default_rng(0).random((1, *shape), np.float32)
        return measure_sessions(sessions, image, baseline="float32", rounds=50, seconds=seconds)


def _add_times(name: str, cells: dict[str, Any], folder: Path, seconds: float) -> None:
    """Time all formats of a network in turn on each engine, and put the figures into its cells."""
    for engine in ENGINES:
        done = {title: row[engine] for title, row in cells.items() if "test_accuracy" in row.get(engine, {})}
        artifacts = {title: load(_file(folder, name, title, engine)) for title in done}
        timing = timed(artifacts, engine, seconds)
        for title, row in done.items():
            row["latency_ms"] = timing.latency(title).to_dict()
            if title != "float32":
                row["speedup"] = timing.speedup(title, over="float32").to_dict()


if __name__ == "__main__":
    main()
