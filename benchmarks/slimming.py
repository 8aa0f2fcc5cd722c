"""Network slimming on CIFAR-10: how strong the pull must be, the cliff without fine-tuning, and one or three passes.

Run from the project's root, with the data of `docs/data.md`:

    python benchmarks/slimming.py --only-train      # may run beside other work
    python benchmarks/slimming.py                   # the rest; times engines, so nothing else may run

The network is the paper's VGG-19 at a quarter of its width, trained from scratch for a few epochs, since 160 epochs at
full width do not fit the machine. Finished steps are kept in `runs/slimming`; started again, it goes on from the last
one. The cliff is measured on the validation images; the 10,000 test images give the final figures, once.
"""

import argparse
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from common import machine_and_versions, write_result
from lissome.cli.progress import TerminalProgress
from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.scores import BatchNormScale
from lissome.compression.pruning.slim import Slim
from lissome.core.context import Context
from lissome.core.files import write_text
from lissome.core.outcome import Outcome
from lissome.core.recipe import Recipe
from lissome.core.run_directory import RunDirectory
from lissome.core.settings import key_of
from lissome.core.step import Step
from lissome.data.task import Task
from lissome.exporting.export import export
from lissome.models.create import create
from lissome.profiling.profile import profile
from lissome.timing.engine_figures import measure_on_engine
from lissome.training.evaluate import evaluate
from lissome.training.optimizers import SGD
from lissome.training.schedules import learning_rate_factor
from lissome.training.train import Train
from slimming_page import write_page

RUN = Path("runs/slimming")
FRACTIONS = tuple(number / 10 for number in range(1, 10))
STRENGTHS = (0.0, 1e-4, 1e-3)
PAPERS_START = 0.5
ENGINES = ("onnxruntime", "ncnn")


def main() -> None:
    """Train, prune, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--epochs", type=int, default=12, help="of each sparse training")
    parser.add_argument("--tune-epochs", type=int, default=8, help="of each fine-tuning")
    parser.add_argument("--limit", type=int, default=None, help="training images, for a try")
    parser.add_argument("--seconds", type=float, default=40.0, help="time for the pairs on each engine")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of training")
    parser.add_argument("--only-train", action="store_true", help="stop before anything is timed")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    task = Task.from_cifar10(Path(os.environ.get("LISSOME_DATA", "../shared/data")) / "cifar10")
    if arguments.limit:
        task = replace(task, train=task.train.subset(np.arange(arguments.limit)))
    model = create("vgg19_cifar", width=arguments.width, seed=0)
    with TerminalProgress() as progress, RunDirectory(RUN) as run:
        context = Context(task, seed=0, original=model, progress=progress, memory=run)
        outcomes = {}
        for name, step in candidates(arguments).items():
            progress.say(f"== {name}")
            outcomes[name] = step.apply(model, context)
        table = accuracy_part(outcomes, context, arguments)
        if arguments.only_train:
            return
        table["engines"] = {engine: timed_part(outcomes, engine, context, arguments) for engine in ENGINES}
    if arguments.limit:
        write_text(RUN / "try.json", json.dumps(table))  # figures of a try are not results
        return
    write_result("slimming", table)
    write_page(table)


def candidates(arguments: argparse.Namespace) -> dict[str, Step]:
    """Return what is compared; equal beginnings are computed once."""
    sparse = Train(epochs=arguments.epochs, optimizer=SGD(learning_rate=0.1, weight_decay=1e-4), keep="last")
    tune = Train(epochs=arguments.tune_epochs, optimizer=SGD(learning_rate=0.03, weight_decay=1e-4), keep="last")
    strongest = STRENGTHS[-1]

    def slim(**settings: Any) -> Slim:
        plain = {"strength": strongest, "start": PAPERS_START, "multiple_of": 1, "train": sparse, "tune": tune}
        return Slim(**{**plain, **settings})

    def trained(strength: float) -> Recipe:
        return Recipe(slim(strength=strength).steps(())[0])

    passes = {f"pass_{number}": slim(fraction=0.5, passes=number, keep_at_least=0.5) for number in (1, 2, 3)}
    return {
        **{f"trained_{strength:g}": trained(strength) for strength in STRENGTHS},
        "one_shot": slim(fraction=0.7),
        "one_shot_multiple_of_8": slim(fraction=0.7, multiple_of=8),
        "one_shot_without_pull": slim(fraction=0.7, strength=0.0),
        **passes,
    }


def accuracy_part(outcomes: dict[str, Outcome], context: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return everything but times; kept, since test images are read once."""
    receipts = {name: one.to_dict() for name, one in outcomes.items()}
    file = RUN / f"accuracy-{key_of([one['settings'] for one in receipts.values()], vars(arguments)['limit'])}.json"
    if file.exists():
        return dict(json.loads(file.read_text()))
    task = context.require_task()
    table: dict[str, Any] = {
        **machine_and_versions(*ENGINES),
        "seed": context.seed,
        **{name: getattr(arguments, name) for name in ("width", "epochs", "tune_epochs", "limit")},
        "images": {name: len(getattr(task, name)) for name in ("train", "validation", "test")},
        "pull": {f"{strength:g}": pull(strength, outcomes, context) for strength in STRENGTHS},
        "cliff": {f"{strength:g}": cliff(outcomes[f"trained_{strength:g}"].model, context) for strength in STRENGTHS},
        "candidates": {},
    }
    for name, one in outcomes.items():
        cost = profile(one.model, context.example_inputs())
        accuracy = evaluate(one.model, task.test, task.metric, progress=context.progress)
        figures = {"accuracy": accuracy, "params": cost.params, "macs": cost.macs, "widths": widths(one.model)}
        table["candidates"][name] = {**figures, "receipt": receipts[name]}
    write_text(file, json.dumps(table))
    return table


def cliff(model: nn.Module, context: Context) -> list[float]:
    """Return the accuracy on the validation images after pruning without fine-tuning, for each of FRACTIONS."""
    task, accuracies = context.require_task(), []
    for fraction in FRACTIONS:
        step = PruneChannels(keep=1 - fraction, score=BatchNormScale(), scope="global", multiple_of=1)
        accuracies.append(evaluate(step.apply(model, context).model, task.validation, task.metric))
        context.progress.say(f"{fraction:.0%} pruned: {accuracies[-1]:.4f}")
    return accuracies


def pull(strength: float, outcomes: dict[str, Outcome], context: Context) -> float:
    """Return how far a scale that the loss does not hold falls in all: Σ learning rate · strength / (1 - momentum)."""
    settings = next(outcomes[f"trained_{strength:g}"].walk()).settings
    train = Train(epochs=settings["epochs"], optimizer=SGD(learning_rate=0.1, weight_decay=1e-4))
    count = train.epochs * max(1, len(context.require_task().train) // train.batch_size)
    shares = [learning_rate_factor(train.schedule, (number + 0.5) / count) for number in range(count)]
    return sum(shares) * train.optimizer.learning_rate * strength / (1 - SGD().momentum)


def timed_part(
    outcomes: dict[str, Outcome], engine: str, context: Context, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Export every network, and time and score it on the engine."""
    context.progress.say(f"== {engine}")
    with tempfile.TemporaryDirectory() as folder:
        artifacts = {
            name: export(one, f"{folder}/{name}.lissome", runtimes=[engine], context=context)
            for name, one in outcomes.items()
        }
        baseline = f"trained_{STRENGTHS[0]:g}"
        figures = measure_on_engine(
            artifacts,
            engine,
            context.require_task(),
            baseline=baseline,
            seconds=arguments.seconds,
            seed=context.seed,
        )
        rows = {
            name: {
                "accuracy": figures.accuracy[name],
                "file_kib": artifacts[name].size_kib(engine),
                "latency_ms": figures.timing.latency(name).to_dict(),
                "speedup": figures.timing.speedup(name, over=baseline).to_dict(),
                "parity": artifacts[name].card.engines[engine].parity,
            }
            for name in outcomes
        }
    return {"rounds": figures.timing.rounds, "disturbed": figures.timing.stalled, "candidates": rows}


def widths(model: nn.Module) -> list[int]:
    """Return the channels of the convolutions in order."""
    return [one.out_channels for one in model.modules() if isinstance(one, nn.Conv2d)]


if __name__ == "__main__":
    main()
