"""ResNet-20 on CIFAR-10: widths chosen by measured time, against multiply-adds, against a peer's global L1.

At equal measured speed-up on each engine, which network is the most accurate after the same fine-tuning? Run from the
project's root, with the data of `docs/data.md`:

    pip install -r benchmarks/requirements.txt
    python benchmarks/latency_pruning.py --only-choose   # alone on the machine: tables of layer times, and the widths
    python benchmarks/latency_pruning.py --only-train    # may run beside other work
    python benchmarks/latency_pruning.py                 # alone on the machine: times, reads the test images, writes

What is kept lies in `runs/latency_pruning`; started again, it goes on. Nothing is chosen on the test images.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cifar10_resnet56 import PeerPruning
from common import machine_and_versions, write_result, write_section
from lissome.cli.progress import TerminalProgress
from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.scores import L1
from lissome.core.context import Context
from lissome.core.errors import SettingError
from lissome.core.files import write_text
from lissome.core.outcome import Outcome
from lissome.core.recipe import Recipe
from lissome.core.run_directory import RunDirectory
from lissome.core.step import Step
from lissome.data.task import Task
from lissome.exporting.export import export
from lissome.models.create import create
from lissome.models.weights import load_weights
from lissome.profiling.latency_table import LatencyTable
from lissome.profiling.profile import profile
from lissome.timing.engine_figures import measure_on_engine
from lissome.timing.layer_bench import LayerBench
from lissome.timing.measure_layers import measure_layers
from lissome.timing.pinned import pinned
from lissome.timing.sessions import measure_sessions
from lissome.training.optimizers import SGD
from lissome.training.train import Train

NAME = "latency_pruning"
RUNS = Path("runs", NAME)
ENGINES = ("onnxruntime", "ncnn")
METHODS = ("latency", "macs", "torch_pruning")
WEIGHTS = "weights/cifar10_resnet_akamaster/resnet20-12fca82f.th"


def step(method: str, keep: float, table: LatencyTable) -> Step:
    """Return a method's pruning of the channels inside the blocks."""
    if method == "torch_pruning":
        return PeerPruning(factor=1 / keep)
    # A shortcut ties the layers that write the residual stream, which the peer cannot follow: they stay for all.
    inner = PruneChannels(keep=keep, score=L1(), multiple_of=1, skip=("stem.*", "*.conv2.*"))
    return replace(inner, objective=table if method == "latency" else "macs")


def choose(original: nn.Module, context: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return, for each engine and method, the share that is just small enough for the target, kept in a file."""
    path = RUNS / "choices.json"
    chosen: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for engine in arguments.engines:
        bench = LayerBench(runtime=engine, seconds=arguments.table_seconds)
        table = measure_layers(
            original,
            context.example_inputs()[0][:1],
            RUNS / f"{engine}.json",
            bench=bench,
            widths=arguments.widths,
            progress=context.progress,
        )
        if engine in chosen and chosen[engine]["target"] == arguments.target:
            continue
        rows = {method: just_fast_enough(method, engine, table, original, context, arguments) for method in METHODS}
        chosen[engine] = {"target": arguments.target, "table": table.path, "methods": rows}
        write_text(path, json.dumps(chosen, indent=1) + "\n")
    return chosen


def just_fast_enough(
    method: str,
    engine: str,
    table: LatencyTable,
    original: nn.Module,
    context: Context,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Cut to many shares, time all on the engine in turn, and return the gentlest that reaches the target."""
    networks: dict[str, nn.Module] = {"original": original}
    for keep in np.linspace(0.95, 0.25, arguments.shares):
        try:
            networks[f"{keep:.3f}"] = step(method, float(f"{keep:.3f}"), table).apply(original, context).model
        except SettingError:  # the engine cannot be made that fast by these layers
            break
    with tempfile.TemporaryDirectory() as folder, pinned(1):
        sessions = {
            name: export(one, f"{folder}/{name}.lissome", runtimes=[engine], context=context).session(engine, threads=1)
            for name, one in networks.items()
        }
        image = context.example_inputs()[0][:1].numpy()
        timing = measure_sessions(
            sessions, image, baseline="original", rounds=30, seconds=arguments.seconds, seed=context.seed
        )
    speeds = {name: timing.speedup(name).median for name in networks if name != "original"}
    enough = [name for name, speed in speeds.items() if speed >= arguments.target]
    keep = enough[0] if enough else max(speeds, key=lambda name: speeds[name])
    context.progress.say(f"{engine}, {method}: keep {keep}, {speeds[keep]:.3f}x")
    return {"keep": float(keep), "reached": bool(enough), "speeds": speeds}


def trained(
    chosen: Mapping[str, Any], original: nn.Module, context: Context, epochs: int
) -> dict[str, dict[str, Outcome]]:
    """Return the networks, fine-tuned alike with the original as teacher."""
    tuning = Train(epochs=epochs, teacher="original", optimizer=SGD(learning_rate=0.02))
    outcomes: dict[str, dict[str, Outcome]] = {}
    for engine, choice in chosen.items():
        table = LatencyTable(path=choice["table"])
        for method, row in choice["methods"].items():
            context.progress.say(f"== {engine}, {method}")
            recipe = Recipe(step(method, row["keep"], table), tuning)
            outcomes.setdefault(engine, {})[method] = recipe.apply(original, context)
    return outcomes


def measured(
    outcomes: Mapping[str, Mapping[str, Outcome]],
    chosen: Mapping[str, Any],
    original: nn.Module,
    context: Context,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Time and score everything; the test images are read here."""
    task = context.require_task()
    table: dict[str, Any] = {
        **machine_and_versions(*ENGINES, "torch-pruning"),
        "seed": context.seed,
        "epochs": arguments.epochs,
        "test_images": len(task.test),
        "engines": {},
    }
    for engine, candidates in outcomes.items():
        networks: dict[str, Outcome | nn.Module] = {"original": original, **candidates}
        with tempfile.TemporaryDirectory() as folder:
            artifacts = {
                name: export(one, f"{folder}/{name}.lissome", runtimes=[engine], context=context)
                for name, one in networks.items()
            }
            figures = measure_on_engine(
                artifacts, engine, task, baseline="original", seconds=arguments.seconds, seed=context.seed
            )
        rows = {}
        for name, one in networks.items():
            model = one.model if isinstance(one, Outcome) else one
            cost = profile(model, context.example_inputs())
            rows[name] = {
                "accuracy": figures.accuracy[name],
                "points": 100 * (figures.accuracy[name] - figures.accuracy["original"]),
                "params": cost.params,
                "macs": cost.macs,
                "widths": [layer.out_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)],
                "latency_ms": figures.timing.latency(name).to_dict(),
                "speedup": figures.timing.speedup(name, over="original").to_dict(),
                "receipt": one.to_dict() if isinstance(one, Outcome) else None,
            }
        choice = chosen[engine]
        table["engines"][engine] = {"target": choice["target"], "choice": choice["methods"], "candidates": rows}
    return table


def page(table: Mapping[str, Any]) -> str:
    """Return the results as tables for the documentation."""
    parts = [f"Fine-tuned {table['epochs']} epochs; {table['test_images']:,} test images."]
    for engine, entry in table["engines"].items():
        parts.append(
            f"\n| {engine}, aim {entry['target']}x | accuracy | points | MACs | speed-up |\n|---|---|---|---|---|"
        )
        for name, row in entry["candidates"].items():
            one = row["speedup"]
            parts.append(
                f"| {name} | {row['accuracy']:.2%} | {row['points']:+.2f} | {row['macs'] / 1e6:.1f} M | "
                f"{one['median']:.3f}x [{one['low']:.3f}, {one['high']:.3f}] |"
            )
    return "\n".join(parts) + "\n"


def main(given: Sequence[str] | None = None) -> None:
    """Choose, train, and unless told otherwise time and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--target", type=float, default=1.25, help="speed-up over the original to aim at")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--widths", type=int, default=8, help="widths of each layer's input and output in the table")
    parser.add_argument("--table-seconds", type=float, default=10.0, help="time for each kind of layer")
    parser.add_argument("--shares", type=int, default=15, help="how many shares each method is timed at")
    parser.add_argument("--seconds", type=float, default=40.0, help="time for each set of pairs")
    parser.add_argument("--trial", type=int, default=None, help="so many images of each split, to try the script")
    parser.add_argument("--only-choose", action="store_true", help="stop before anything is trained")
    parser.add_argument("--only-train", action="store_true", help="stop before the last timing")
    arguments = parser.parse_args(given)
    data = Path(os.environ.get("LISSOME_DATA", "../shared/data"))
    original = create("resnet20")
    load_weights(original, data / WEIGHTS)
    task = Task.from_cifar10(data / "cifar10")
    if arguments.trial:
        first = np.arange(arguments.trial)
        splits = {name: getattr(task, name).subset(first) for name in ("train", "validation", "test")}
        task = replace(task, **splits)
    with TerminalProgress() as progress, RunDirectory(RUNS) as run:
        context = Context(task, seed=0, original=original, progress=progress, memory=run)
        chosen = choose(original, replace(context, memory=None), arguments)
        if arguments.only_choose:
            return
        outcomes = trained(chosen, original, context, arguments.epochs)
        if not arguments.only_train:
            table = measured(outcomes, chosen, original, context, arguments)
            write_result(NAME, table)
            write_section("pruning.md", "time", page(table))


if __name__ == "__main__":
    torch.manual_seed(0)  # the peer draws from the global generator
    main()
    print(json.dumps({"done": True}))
