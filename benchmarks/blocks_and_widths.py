"""ResNet-56 on CIFAR-10: whole blocks and widths chosen by measured time, taught by the original, int8, in onnxruntime.

Run from the project's root, with the data of `docs/data.md`:

    python benchmarks/blocks_and_widths.py --only-train    # may run beside other work; kept after every few epochs
    python benchmarks/blocks_and_widths.py                 # alone on the machine: times, reads the test images, writes

What is kept lies in `runs/blocks_and_widths`; started again, it goes on. Which candidate is final is chosen on the
validation images, held out of the training data; the 10,000 test images are read by the timed part, once.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from common import machine_and_versions, write_result, write_section
from lissome.cli.progress import TerminalProgress
from lissome.compression.pruning.prune_blocks import PruneBlocks
from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.scores import L1
from lissome.compression.quantization.quantize import Quantize
from lissome.core.context import Context, Need
from lissome.core.outcome import Outcome
from lissome.core.recipe import Recipe
from lissome.core.run_directory import RunDirectory
from lissome.core.step import Change, Step
from lissome.data.task import Task
from lissome.exporting.export import export
from lissome.layers.fake_quantize import without_quantization
from lissome.models.create import create
from lissome.models.weights import load_weights
from lissome.profiling.profile import profile
from lissome.timing.engine_figures import measure_on_engine
from lissome.training.evaluate import evaluate
from lissome.training.optimizers import SGD
from lissome.training.recalibrate_batch_norm import RecalibrateBatchNorm
from lissome.training.train import Train

NAME = "blocks_and_widths"
EPOCHS = 14
RATES = (0.02, 0.015, 0.008)
"""Learning rates of the first quarters of the training; the last one falls from the last of these to 0. The network
remembers most of what it knew: a calm rate keeps that."""
HOT_RATES = (0.05, 0.03, 0.012)
"""Rates at which it forgets more, and may find something better."""
FASTER = 1.3
"""What is aimed at over int8 alone; of the candidates that reach it, the best on the validation images is final."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithSeed(Step):
    """A step with a seed of its own, so that trainings in a row see other orders and crops.

    Args:
        step: The step.
        seed: Its seed.
    """

    step: Step
    seed: int

    def requires(self) -> tuple[Need, ...]:
        """What the step requires."""
        return self.step.requires()

    def change(self, model: nn.Module, context: Context) -> Change:
        """Apply the step."""
        outcome = self.step.apply(model, replace(context, seed=self.seed))
        return Change(outcome.model, outcome.notes, outcome.measurements)


def training(epochs: int, rates: tuple[float, ...] = RATES) -> tuple[Step, ...]:
    """Return a training in parts, each of which is kept: rates that fall in steps, then a half cosine to 0."""
    part = max(1, epochs // (len(rates) + 1))
    steps: list[Step] = []
    for number, rate in enumerate(rates):
        warm_up = 0.1 if number == 0 else 0.0
        steps.append(tuned(part, rate, seed=number, schedule="constant", warm_up=warm_up, keep="last"))
    rest = max(1, epochs - part * len(rates))
    steps.append(tuned(rest, rates[-1], seed=len(rates), schedule="cosine", warm_up=0.0, keep="best"))
    return tuple(steps)


def tuned(epochs: int, rate: float, *, seed: int, schedule: Any, warm_up: float, keep: Any) -> Step:
    """Return some epochs with the original as teacher."""
    optimizer = SGD(learning_rate=rate)
    train = Train(epochs=epochs, teacher="original", optimizer=optimizer, schedule=schedule, warm_up=warm_up, keep=keep)
    return WithSeed(step=train, seed=seed)


def candidates(epochs: int, images: int) -> dict[str, Recipe]:
    """Return what is tried, the most promising first."""
    # On this engine a block of the first two stages takes about twice the time of one of the third, whose widths cost
    # little as well: the cut is made where the time is.
    seven = PruneBlocks(count=7, images=images, skip=("stages.stage3.*",))
    eight = PruneBlocks(count=8, images=images, skip=("stages.stage3.*",))
    recalibrated = RecalibrateBatchNorm(images=min(images, 1024))
    # Inner widths 16-16-32: edges of the engine's staircase. The layers behind are fitted by least squares.
    inner = PruneChannels(
        keep=0.5, score=L1(), multiple_of=16, skip=("stem.*", "*.conv2.*", "stages.stage3.*"), reconstruct=images
    )
    return {
        "seven_blocks": Recipe(seven, recalibrated, *training(epochs)),
        "eight_blocks": Recipe(eight, recalibrated, *training(epochs)),
        "seven_blocks_hot": Recipe(seven, recalibrated, *training(epochs, HOT_RATES)),
        "seven_blocks_narrow": Recipe(seven, recalibrated, inner, *training(epochs)),
    }


def main() -> None:
    """Train what is asked for, choose, and unless told otherwise time and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--images", type=int, default=512, help="images that blocks are chosen by")
    parser.add_argument("--only", nargs="+", help="candidates by name, in the order of training")
    parser.add_argument("--limit", type=int, default=2, help="how many candidates are trained, where none is named")
    parser.add_argument("--seconds", type=float, default=60.0, help="time for the pairs")
    parser.add_argument("--trial", type=int, default=None, help="so many images of each split, to try the script")
    parser.add_argument("--only-train", action="store_true", help="stop before anything is timed")
    arguments = parser.parse_args()
    data = Path(os.environ.get("LISSOME_DATA", "../shared/data"))
    original = create("resnet56")
    load_weights(original, data / "weights/cifar10_resnet_akamaster/resnet56-4bfd9763.th")
    known = candidates(arguments.epochs, arguments.images)
    chosen = {name: known[name] for name in arguments.only or list(known)[: arguments.limit]}
    with TerminalProgress() as progress, RunDirectory(f"runs/{NAME}") as run:
        task = Task.from_cifar10(data / "cifar10")
        if arguments.trial:
            splits = {name: getattr(task, name) for name in ("train", "validation", "test")}
            first = np.arange(arguments.trial)
            task = replace(task, **{name: one.subset(first) for name, one in splits.items()})
        context = Context(task, seed=0, original=original, progress=progress, memory=run)
        outcomes: dict[str, Outcome | nn.Module] = {"float32": original}
        outcomes["int8"] = Recipe(Quantize()).apply(original, context)
        for name, recipe in chosen.items():
            progress.say(f"== {name}")
            outcomes[name] = recipe.apply(original, context)
            outcomes[f"{name}_int8"] = Recipe(*recipe.steps, Quantize()).apply(original, context)
        validation = scored(outcomes, context)
        for name, score in validation.items():
            progress.say(f"{name}: {score:.4f} on the validation images")
        if not arguments.only_train:
            table = measured(outcomes, validation, context, arguments)
            write_result(NAME, table)
            write_section("pruning.md", "blocks", page(table))


def scored(outcomes: Mapping[str, Outcome | nn.Module], context: Context) -> dict[str, float]:
    """Return the metric of each candidate on the validation images."""
    task = context.require_task()
    return {name: evaluate(model_of(one), task.validation, task.metric) for name, one in outcomes.items()}


def model_of(one: Outcome | nn.Module) -> nn.Module:
    """Return the network of a candidate."""
    return one.model if isinstance(one, Outcome) else one


def measured(
    outcomes: Mapping[str, Outcome | nn.Module],
    validation: Mapping[str, float],
    context: Context,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Export every candidate to onnxruntime and return all figures."""
    task = context.require_task()
    with tempfile.TemporaryDirectory() as folder:
        artifacts = {
            name: export(one, f"{folder}/{name}.lissome", runtimes=["onnxruntime"], context=context)
            for name, one in outcomes.items()
        }
        figures = measure_on_engine(
            artifacts, "onnxruntime", task, baseline="int8", seconds=arguments.seconds, seed=context.seed
        )
    rows: dict[str, Any] = {}
    for name, one in outcomes.items():
        cost = profile(without_quantization(model_of(one)), context.example_inputs())
        rows[name] = {
            "validation": validation[name],
            "accuracy": figures.accuracy[name],
            "points": 100 * (figures.accuracy[name] - figures.accuracy["float32"]),
            "params": cost.params,
            "macs": cost.macs,
            "file_kib": artifacts[name].size_kib("onnxruntime"),
            "latency_ms": figures.timing.latency(name).to_dict(),
            "speedup_over_float32": figures.timing.speedup(name, over="float32").to_dict(),
            "speedup_over_int8": figures.timing.speedup(name, over="int8").to_dict(),
            "parity": artifacts[name].card.engines["onnxruntime"].parity,
            "receipt": one.to_dict() if isinstance(one, Outcome) else None,
        }
    return {
        **machine_and_versions("onnxruntime"),
        "seed": context.seed,
        "epochs": arguments.epochs,
        "test_images": len(task.test),
        "rounds": figures.timing.rounds,
        "disturbed": figures.timing.stalled,
        "final": final(rows),
        "candidates": rows,
    }


def final(rows: Mapping[str, Any]) -> str:
    """Return the int8 candidate that is best on the validation images, of those surely fast enough if there are any."""
    tried = [name for name in rows if name.endswith("_int8")]
    fast = [name for name in tried if rows[name]["speedup_over_int8"]["low"] >= FASTER]
    return max(fast or tried, key=lambda name: float(rows[name]["validation"]))


def page(table: Mapping[str, Any]) -> str:
    """Return the results as a table for the documentation."""
    head = (
        f"{table['epochs']} epochs, {table['test_images']:,} test images, {table['rounds']} rounds. "
        f"Final, chosen on the validation images: **{table['final']}**.\n\n"
        "| onnxruntime | validation | accuracy | points | parameters | MACs | file, KiB | over float32 | over int8 |\n"
        "|---|---|---|---|---|---|---|---|---|\n"
    )
    lines = []
    for name, row in table["candidates"].items():
        speeds = [
            f"{one['median']:.3f}x [{one['low']:.3f}, {one['high']:.3f}]"
            for one in (row["speedup_over_float32"], row["speedup_over_int8"])
        ]
        label = f"**{name}**" if name == table["final"] else name
        lines.append(
            f"| {label} | {row['validation']:.2%} | {row['accuracy']:.2%} | {row['points']:+.2f} | {row['params']:,} | "
            f"{row['macs'] / 1e6:.1f} M | {row['file_kib']:,.0f} | {speeds[0]} | {speeds[1]} |\n"
        )
    return head + "".join(lines)


if __name__ == "__main__":
    main()
    print(json.dumps({"done": True}))
