"""Distillation on CIFAR-10: the same student, the same budget, with and without a teacher, three seeds.

Run from the project's root, with the data of `docs/data.md`; nothing is timed, so it may run beside other work, and it
goes on where it stopped:

    python benchmarks/distillation.py

The teacher is ResNet-56 with its published weights; the student half as wide and half as deep, its weights inherited.
All share training images, epochs and optimizer. The test images give the figures, once for each run.
"""

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from common import machine_and_versions, read_result, write_result, write_section
from lissome.cli.progress import TerminalProgress
from lissome.compression.pruning.make_student import MakeStudent
from lissome.core.context import Context
from lissome.core.files import write_text
from lissome.core.recipe import Recipe
from lissome.core.run_directory import RunDirectory
from lissome.core.settings import key_of
from lissome.data.task import Task
from lissome.models.create import create
from lissome.models.weights import load_weights
from lissome.profiling.profile import profile
from lissome.training.evaluate import evaluate
from lissome.training.optimizers import SGD
from lissome.training.train import Train
from lissome.training.transfers import AttentionTransfer, DecoupledTargets, FeatureHints, Relations, SoftTargets

RUN = Path("runs/distillation")
WAYS: dict[str, dict[str, Any]] = {
    "labels alone": {},
    "soft targets": {"teacher": "original"},
    "decoupled targets": {"teacher": "original", "transfers": (DecoupledTargets(),)},
    "decoupled targets, the paper's 8": {"teacher": "original", "transfers": (DecoupledTargets(others=8.0),)},
    "soft targets and attention": {"teacher": "original", "transfers": (SoftTargets(), AttentionTransfer())},
    "soft targets and hints": {"teacher": "original", "transfers": (SoftTargets(), FeatureHints())},
    "soft targets and relations": {"teacher": "original", "transfers": (SoftTargets(), Relations())},
}


def main() -> None:
    """Train every way with every seed, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000, help="training images")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=[*WAYS])
    parser.add_argument("--limit", type=int, default=None, help="test images, for a try; nothing is written")
    parser.add_argument("--only-train", action="store_true", help="nothing else is done here; stop before writing")
    arguments = parser.parse_args()
    data = Path(os.environ.get("LISSOME_DATA", "../shared/data"))
    task = Task.from_cifar10(data / "cifar10")
    # One image in ten is enough to choose the epoch by.
    task = replace(
        task,
        train=task.train.subset(np.arange(arguments.images)),
        validation=task.validation.subset(np.arange(min(1000, arguments.images))),
        test=task.test.subset(np.arange(arguments.limit or len(task.test))),
    )
    teacher = create("resnet56")
    load_weights(teacher, data / "weights/cifar10_resnet_akamaster/resnet56-4bfd9763.th")
    student = MakeStudent(width=0.5, depth=0.5)
    rows: dict[str, list[float]] = {}
    with TerminalProgress() as progress, RunDirectory(RUN) as run:
        for way in arguments.ways:
            for seed in range(arguments.seeds):
                progress.say(f"== {way}, seed {seed}")
                context = Context(task, seed=seed, original=teacher, progress=progress, memory=run)
                train = Train(epochs=arguments.epochs, optimizer=SGD(learning_rate=0.05), **WAYS[way])
                outcome = Recipe(student, train).apply(teacher, context)
                rows.setdefault(way, []).append(scored(outcome.model, context, way, arguments))
        made = profile(student.apply(teacher, context).model, (1, 3, 32, 32))
        table = {
            **machine_and_versions(),
            "seeds": arguments.seeds,
            **{name: getattr(arguments, name) for name in ("images", "epochs")},
            "params": {"teacher": profile(teacher, (1, 3, 32, 32)).params, "student": made.params},
            "macs": {"teacher": profile(teacher, (1, 3, 32, 32)).macs, "student": made.macs},
            "accuracy": {**kept(arguments), **rows},
        }
    if arguments.limit:
        print(page(table))
    elif not arguments.only_train:
        write_result("distillation", table)
        write_section("distillation.md", "distillation", page(table))


def kept(arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Return the rows of ways that are not trained now, of a run with the same budget."""
    table = read_result("distillation")
    same = table and all(table[name] == getattr(arguments, name) for name in ("images", "epochs", "seeds"))
    return dict(table["accuracy"]) if same else {}


def scored(model: Any, context: Context, way: str, arguments: argparse.Namespace) -> float:
    """Return the accuracy on the test images, which are read once for each run: the figure is kept."""
    budget = [arguments.images, arguments.epochs, arguments.limit]
    file = RUN / f"accuracy-{key_of(way, str(WAYS[way]), context.seed, budget)}.json"
    if not file.exists():
        task = context.require_task()
        write_text(file, json.dumps(evaluate(model, task.test, task.metric)))
    return float(json.loads(file.read_text()))


def page(table: dict[str, Any]) -> str:
    """Return the table as text."""
    params, macs = table["params"], table["macs"]
    lines = [
        f"ResNet-56 ({params['teacher']:,} parameters, {macs['teacher'] / 1e6:.1f} M MACs) teaches a student of "
        f"{params['student']:,} and {macs['student'] / 1e6:.1f} M; {table['images']:,} training images, "
        f"{table['epochs']} epochs, {table['seeds']} seeds, test accuracy:",
        "",
        "| learnt from | mean | spread (standard deviation) | each seed |",
        "|---|---|---|---|",
    ]
    for way, found in table["accuracy"].items():
        spread = f"{100 * stdev(found):.2f} points" if len(found) > 1 else "one seed"
        lines.append(f"| {way} | {mean(found):.2%} | {spread} | {', '.join(f'{one:.2%}' for one in found)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
