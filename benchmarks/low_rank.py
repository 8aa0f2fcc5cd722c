"""Low rank on CIFAR-10: a network by each method, beside pruned channels; accuracy, multiply-adds, measured time.

Run from the project's root, with the data of `docs/data.md`:

    python benchmarks/low_rank.py --only-train   # may run beside other work, goes on where it stopped
    python benchmarks/low_rank.py                # the rest; times engines, so nothing else may run

`--network` names one; the others' results stay. The VGG is the one that `small_files.py` has trained, and kept.

Ranks and widths are chosen without the test images, which give the final figures, once, on the engine. The table by
time says how many layers each method would split if the engine's own times decide.
"""

import argparse
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from common import machine_and_versions, read_result, write_result, write_section
from lissome.cli.progress import TerminalProgress
from lissome.compression.factorization.factorize_convs import FactorizeConvs
from lissome.compression.factorization.ranks import CostShare, Energy
from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.scores import L1
from lissome.core.context import Context
from lissome.core.outcome import Outcome
from lissome.core.recipe import Recipe
from lissome.core.run_directory import RunDirectory
from lissome.core.step import Step
from lissome.data.task import Task
from lissome.exporting.export import export
from lissome.models.create import create
from lissome.models.weights import load_weights
from lissome.profiling.profile import profile
from lissome.timing.engine_figures import measure_on_engine
from lissome.timing.layer_bench import LayerBench
from lissome.timing.measure_factors import measure_factors
from lissome.training.optimizers import SGD
from lissome.training.recalibrate_batch_norm import RecalibrateBatchNorm
from lissome.training.train import Train
from small_files import trained as trained_vgg

ENGINE = "onnxruntime"
METHODS = ("channel", "spatial", "tucker", "cp")
WEIGHTS = {"resnet20": "resnet20-12fca82f.th", "resnet56": "resnet56-4bfd9763.th"}
NETWORKS = (*WEIGHTS, "vgg")
NAME = "low_rank"


def main() -> None:
    """Factorize, train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=NETWORKS, default="resnet20")
    parser.add_argument("--keep", type=float, default=0.6, help="share of the multiply-adds")
    parser.add_argument("--epochs", type=int, default=2, help="of each fine-tuning")
    parser.add_argument("--train-epochs", type=int, default=18, help="that the VGG was trained for from scratch")
    parser.add_argument("--limit", type=int, default=None, help="training images, for a try; nothing is written")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--seconds", type=float, default=30.0, help="time for the networks on the engine")
    parser.add_argument("--layer-seconds", type=float, default=2.0, help="time for each kind of layer")
    parser.add_argument("--only-train", action="store_true", help="stop before anything is timed")
    arguments = parser.parse_args()
    data = Path(os.environ.get("LISSOME_DATA", "../shared/data"))
    task = Task.from_cifar10(data / "cifar10")
    if arguments.limit:
        task = replace(task, train=task.train.subset(np.arange(arguments.limit)), test=task.test.subset(np.arange(200)))
    folder = Path("runs") / f"low_rank_{arguments.network}"
    with TerminalProgress() as progress, RunDirectory(folder) as run:
        model = network(arguments, Context(task, seed=0, progress=progress), data)
        context = Context(task, seed=0, original=model, progress=progress, memory=run)
        outcomes = {"as it is": Recipe().apply(model, context)}
        for name, step in candidates(arguments).items():
            progress.say(f"== {name}")
            train = Train(epochs=arguments.epochs, teacher="original", optimizer=SGD(learning_rate=0.01))
            outcomes[name] = Recipe(step, RecalibrateBatchNorm(), train).apply(model, context)
        if arguments.only_train:
            return
        measured = {
            **{name: getattr(arguments, name) for name in ("keep", "epochs")},
            "candidates": timed(outcomes, context, arguments),
            "by_time": by_time(context, arguments, folder),
        }
    if arguments.limit:
        print(json.dumps(measured["by_time"], indent=1))
        print(page(arguments.network, measured))
        return
    networks = {**read_result(NAME).get("networks", {}), arguments.network: measured}
    write_result(NAME, {**machine_and_versions(ENGINE), "seed": 0, "networks": networks})
    write_section("low_rank.md", "results", "\n\n".join(page(name, networks[name]) for name in networks))


def network(arguments: argparse.Namespace, context: Context, data: Path) -> nn.Module:
    """Return the trained network that is made smaller."""
    if arguments.network == "vgg":
        with RunDirectory("runs/small_files_vgg") as kept:
            return trained_vgg(arguments, replace(context, memory=kept), data)
    model = create(arguments.network)
    load_weights(model, data / "weights/cifar10_resnet_akamaster" / WEIGHTS[arguments.network])
    return model


def candidates(arguments: argparse.Namespace) -> dict[str, Step]:
    """Return what is compared: each method to equal multiply-adds, and channels pruned to as many and to fewer."""
    images = min(512, arguments.limit or 512)
    rule = CostShare(keep=arguments.keep)
    return {
        **{f"{one}": FactorizeConvs(method=one, ranks=rule, images=images) for one in arguments.methods},
        **{
            f"pruned to {keep:.0%}": PruneChannels(keep=keep, objective="macs", score=L1(), reconstruct=images)
            for keep in (0.8, arguments.keep)
        },
    }


def timed(outcomes: dict[str, Outcome], context: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    """Export every network, and time and score it on the engine."""
    with tempfile.TemporaryDirectory() as folder:
        artifacts = {
            name: export(one, f"{folder}/{number}.lissome", runtimes=[ENGINE], context=context)
            for number, (name, one) in enumerate(outcomes.items())
        }
        figures = measure_on_engine(
            artifacts, ENGINE, context.require_task(), baseline="as it is", seconds=arguments.seconds, seed=0
        )
    rows = {}
    for name, one in outcomes.items():
        cost = profile(one.model, context.example_inputs())
        rows[name] = {
            "accuracy": figures.accuracy[name],
            "params": cost.params,
            "macs": cost.macs,
            "latency_ms": figures.timing.latency(name).to_dict(),
            "speedup": figures.timing.speedup(name, over="as it is").to_dict(),
            "receipt": one.to_dict(),
        }
    return rows


def by_time(context: Context, arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Let measured times decide: how many layers does each method split, and what does the table foretell?"""
    rows = {}
    bench = LayerBench(runtime=ENGINE, seconds=arguments.layer_seconds)
    for method in arguments.methods:
        step = FactorizeConvs(method=method, ranks=Energy(share=0.5), multiple_of=16)
        table = measure_factors(
            context.require_original(), (1, 3, 32, 32), folder / "factors.json", [step], bench=bench,
            progress=context.progress,
        )  # fmt: skip
        by_macs = step.apply(context.require_original(), context).measurements
        found = replace(step, objective=table).apply(context.require_original(), context).measurements
        rows[method] = {
            "layers_by_macs": len(by_macs["layers"]),
            "layers": len(found["layers"]),
            "predicted_before_ms": found["predicted_before"],
            "predicted_ms": found["predicted"],
        }
    return rows


def page(network: str, table: dict[str, Any]) -> str:
    """Return one network's tables as text."""
    epochs = "1 epoch" if table["epochs"] == 1 else f"{table['epochs']} epochs"
    lines = [
        f"{network}, CIFAR-10, {epochs} beside the uncompressed network, {ENGINE}, one thread, float32:",
        "",
        "| network | accuracy | params | MACs, M | ms | times faster |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in table["candidates"].items():
        lines.append(
            f"| {name} | {row['accuracy']:.2%} | {row['params']:,} | {row['macs'] / 1e6:.1f} | "
            f"{row['latency_ms']['median_ms']:.3f} | {row['speedup']['median']:.2f} |"
        )
    lines += [
        "",
        "Layers that half of the energy would split by their multiply-adds, and those split where measured times "
        "decide:",
        "",
        "| method | by MACs | by time | layers' time before, ms | after, ms |",
        "|---|---|---|---|---|",
    ]
    for name, row in table["by_time"].items():
        lines.append(
            f"| {name} | {row['layers_by_macs']} | {row['layers']} | {row['predicted_before_ms']:.3f} | "
            f"{row['predicted_ms']:.3f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
