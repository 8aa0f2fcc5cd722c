"""Sub-tasks on CIFAR-10: ResNet-20 for two and for five of the ten classes, beside the whole one restricted to them.

Run from the project's root, with the data of `docs/data.md`:

    python benchmarks/subtask.py --only-train   # may run beside other work, goes on where it stopped
    python benchmarks/subtask.py                # the rest; times engines, so nothing else may run

The whole network restricted takes the greatest of the outputs of those classes. Test images of those classes give the
final figures, once, on the engine.
"""

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from common import machine_and_versions, write_result, write_section
from lissome.cli.progress import TerminalProgress
from lissome.compression.pruning.keep_classes import KeepClasses
from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.scores import Taylor
from lissome.core.context import Context
from lissome.core.outcome import Outcome
from lissome.core.recipe import Recipe
from lissome.core.run_directory import RunDirectory
from lissome.data.task import Task
from lissome.exporting.export import export
from lissome.models.create import create
from lissome.models.weights import load_weights
from lissome.profiling.profile import profile
from lissome.timing.engine_figures import measure_on_engine
from lissome.training.optimizers import SGD
from lissome.training.recalibrate_batch_norm import RecalibrateBatchNorm
from lissome.training.train import Train

ENGINE = "onnxruntime"
SUBTASKS = {"2 of 10": ("cat", "dog"), "5 of 10": ("bird", "cat", "deer", "dog", "horse")}


def main() -> None:
    """Cut, prune, train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=float, default=0.4, help="share of the multiply-adds")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--limit", type=int, default=None, help="training images, for a try; nothing is written")
    parser.add_argument("--seconds", type=float, default=20.0, help="time for the networks on the engine")
    parser.add_argument("--only-train", action="store_true", help="stop before anything is timed")
    arguments = parser.parse_args()
    data = Path(os.environ.get("LISSOME_DATA", "../shared/data"))
    task = Task.from_cifar10(data / "cifar10")
    if arguments.limit:
        task = replace(task, train=task.train.subset(np.arange(arguments.limit)), test=task.test.subset(np.arange(300)))
    model = create("resnet20")
    load_weights(model, data / "weights/cifar10_resnet_akamaster/resnet20-12fca82f.th")
    rows = {}
    with TerminalProgress() as progress, RunDirectory("runs/subtask") as run:
        context = Context(task, seed=0, original=model, progress=progress, memory=run)
        for name, classes in SUBTASKS.items():
            progress.say(f"== {name}")
            whole = KeepClasses(classes=classes, prune=None, recalibrate=None, train=None)
            small = replace(
                whole,
                prune=PruneChannels(keep=arguments.keep, objective="macs", score=Taylor(normalize="mean")),
                recalibrate=RecalibrateBatchNorm(),
                train=Train(epochs=arguments.epochs, teacher="original", optimizer=SGD(learning_rate=0.02)),
            )
            outcomes = {label: Recipe(one).apply(model, context) for label, one in (("whole", whole), ("small", small))}
            if not arguments.only_train:
                rows[name] = measured(outcomes, arguments) | {"classes": list(classes)}
    if arguments.only_train:
        return
    table = {
        **machine_and_versions(ENGINE),
        "seed": 0,
        "keep": arguments.keep,
        "epochs": arguments.epochs,
        "rows": rows,
    }
    if arguments.limit:
        print(page(table))
        return
    write_result("subtask", table)
    write_section("distillation.md", "subtask", page(table))


def measured(outcomes: dict[str, Outcome], arguments: argparse.Namespace) -> dict[str, Any]:
    """Export both networks, and time and score them on the images of the classes that stay."""
    context = outcomes["small"].context
    assert context is not None
    with tempfile.TemporaryDirectory() as folder:
        artifacts = {name: export(one, f"{folder}/{name}.lissome", runtimes=[ENGINE]) for name, one in outcomes.items()}
        figures = measure_on_engine(
            artifacts, ENGINE, context.require_task(), baseline="whole", seconds=arguments.seconds, seed=0
        )
        kib = {name: one.size_kib(ENGINE) for name, one in artifacts.items()}
    found: dict[str, Any] = {"speedup": figures.timing.speedup("small", over="whole").to_dict()}
    for name, one in outcomes.items():
        cost = profile(one.model, context.example_inputs())
        found[name] = {
            "accuracy": figures.accuracy[name],
            "params": cost.params,
            "macs": cost.macs,
            "file_kib": kib[name],
            "latency_ms": figures.timing.latency(name).to_dict(),
            "receipt": one.to_dict(),
        }
    return found


def page(table: dict[str, Any]) -> str:
    """Return the table as text."""
    lines = [
        f"ResNet-20, pruned to {table['keep']:.0%} of the multiply-adds for those classes and trained on them for "
        f"{table['epochs']} epochs, {ENGINE}, one thread, float32:",
        "",
        "| classes | network | accuracy | params | MACs, M | file, KiB | ms | times faster |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in table["rows"].items():
        for label, text in (("whole", "whole, restricted"), ("small", "for those classes")):
            one = row[label]
            faster = f"{row['speedup']['median']:.2f}" if label == "small" else "1"
            lines.append(
                f"| {name} ({', '.join(row['classes'])}) | {text} | {one['accuracy']:.2%} | {one['params']:,} | "
                f"{one['macs'] / 1e6:.1f} | {one['file_kib']:.0f} | {one['latency_ms']['median_ms']:.3f} | {faster} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
