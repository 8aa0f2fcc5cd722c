"""int8 on LiteRT: the integers that were judged, in its own file, beside its float32.

Run from the project's root, with the data of `docs/data.md`, alone on the machine:

    pip install ai-edge-litert==2.3.0 litert-torch==0.10.0
    python benchmarks/quantization_litert.py

CIFAR: accuracy on the 10,000 test images, computed by the engine; calibrated on 256 training images.
EfficientNet-Lite0: equal decisions and mean cosine against its own float32, on the 128 images of coco128's val2017,
calibrated on 100 of train2017. Finished networks are kept in `runs/quantization_litert`.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from common import cell, machine_and_versions, write_result, write_section
from lissome.cli.progress import TerminalProgress
from lissome.compression.quantization.correct_bias import CorrectBias
from lissome.compression.quantization.quantize import Quantize
from lissome.core.context import Context
from lissome.core.recipe import Recipe
from lissome.exporting.export import export
from lissome.runtimes.accuracy import engine_accuracy
from lissome.runtimes.artifact import Artifact, load
from quantization import _networks as cifar_networks
from quantization import timed
from quantization_lite import CALIBRATION
from quantization_lite import _judged as lite_judged
from quantization_lite import _network as lite_network
from quantization_lite import _task as lite_task

NAME = "quantization_litert"
RUNS = Path("runs", NAME)
ENGINE = "litert"
LITE = "efficientnet_lite0"


def main() -> None:
    """Convert and judge every network, time the pairs, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0, help="for the pair of each network")
    arguments = parser.parse_args()
    RUNS.mkdir(parents=True, exist_ok=True)
    table: dict[str, Any] = {**machine_and_versions("ai-edge-litert", "litert-torch"), "seed": 0, "networks": {}}
    with TerminalProgress() as progress:
        for name, (task, model) in {**cifar_networks(), LITE: (lite_task(None), lite_network())}.items():
            progress.say(f"== {name}")
            table["networks"][name] = judged(name, model, Context(task, seed=0, progress=progress))
        for name, rows in table["networks"].items():
            add_times(name, rows, arguments.seconds)
    write_result(NAME, table)
    write_section("quantization.md", "litert", page(table))


def judged(name: str, model: nn.Module, context: Context) -> dict[str, Any]:
    """Return what the engine computes of a network in both forms."""
    images = CALIBRATION if name == LITE else Quantize().images
    step = Recipe(Quantize(images=images), CorrectBias(images=images))

    def make(form: str) -> dict[str, Any]:
        source = step.apply(model, context) if form == "int8" else model
        artifact = export(source, _file(name, form), runtimes=[ENGINE], context=context)
        entry = artifact.card.engines[ENGINE]
        figures = agreement(artifact, model, context) if name == LITE else accuracy(artifact, context)
        return {**figures, "file_kib": artifact.size_kib(ENGINE), "note": entry.note, "precision": entry.precision}

    return {form: cell(RUNS, f"{name} {form}", lambda form=form: make(form)) for form in ("float32", "int8")}


def accuracy(artifact: Artifact, context: Context) -> dict[str, Any]:
    """Return the accuracy on the test images, by the engine."""
    task = context.require_task()
    return {"test_accuracy": engine_accuracy(artifact.session(ENGINE), task.test, task.metric)}


def agreement(artifact: Artifact, model: nn.Module, context: Context) -> dict[str, Any]:
    """Return the share of equal decisions and the mean cosine against the float network."""
    task = context.require_task()
    images = torch.cat([one for one, _ in task.test.batches(32)])
    with torch.inference_mode():
        wanted = torch.cat([model(one) for one in images.split(32)])
    return lite_judged(artifact.session(ENGINE), images, wanted)


def add_times(name: str, rows: dict[str, Any], seconds: float) -> None:
    """Time both forms in turn, one thread."""
    artifacts = {form: load(_file(name, form)) for form in rows}
    timing = timed(artifacts, ENGINE, seconds)
    for form, row in rows.items():
        row["latency_ms"] = timing.latency(form).to_dict()
    rows["int8"]["speedup"] = timing.speedup("int8").to_dict()


def _file(name: str, form: str) -> Path:
    return RUNS / f"{name}_{form}.lissome"


def page(table: Mapping[str, Any]) -> str:
    """Return the results as a table for the documentation."""
    machine, versions = table["machine"], table["versions"]
    lines = [
        f"Measured on {machine['cpu']}, one thread; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + f"; seed {table['seed']}. int8 has a scale for each output channel and corrected biases.",
        "",
        "| network | float32 | int8 on LiteRT | file, KiB | latency, ms | faster by | float all the same |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, rows in table["networks"].items():
        exact, rounded = rows["float32"], rows["int8"]
        if name == LITE:
            scores = f"| itself | {rounded['agreement']:.1%} equal decisions, cosine {rounded['cosine']:.4f} "
        else:
            lost = 100 * (rounded["test_accuracy"] - exact["test_accuracy"])
            scores = f"| {exact['test_accuracy']:.2%} | {rounded['test_accuracy']:.2%} ({lost:+.2f}) "
        speed = rounded["speedup"]
        left = rounded["note"].removeprefix("float in litert: ") or "nothing"
        lines.append(
            f"| {name} {scores}| {exact['file_kib']:,.0f} → {rounded['file_kib']:,.0f} | "
            f"{exact['latency_ms']['median_ms']:.3f} → {rounded['latency_ms']['median_ms']:.3f} | "
            f"{speed['median']:.2f}x [{speed['low']:.2f}, {speed['high']:.2f}] | {left} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
