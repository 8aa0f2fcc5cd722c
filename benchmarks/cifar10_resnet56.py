"""ResNet-56 on CIFAR-10: lissome's channel pruning and int8 against int8 alone and against a peer that counts MACs.

Run from the project's root, with the data of `docs/data.md`:

    pip install -r benchmarks/requirements.txt
    python benchmarks/cifar10_resnet56.py

Finished steps are kept in `runs/cifar10_resnet56`; started again, it goes on from the last one. Every choice is made on
the validation images held out of the training data; the 10,000 test images give the final figures, once.
"""

import argparse
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch_pruning
from torch import nn

from common import machine_and_versions, write_result
from lissome.cli.progress import TerminalProgress
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
from lissome.training.optimizers import SGD
from lissome.training.train import Train

EPOCHS = 3
PEER_FACTOR = 2.16
"""How many times fewer MACs the peer is asked for, as in the published trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerPruning(Step):
    """torch-pruning's global L1 on the channels inside the blocks, in small steps until the MACs are reached.

    Args:
        factor: Times fewer MACs, > 1.
    """

    factor: float

    def requires(self) -> tuple[Need, ...]:
        """An example input."""
        return (Need.EXAMPLE,)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Prune in the peer's own way."""
        example = context.example_inputs()[0]
        before = profile(model, example)
        # It cannot follow the zero-padded shortcuts (it leaves a network that fails), so the layers that write the
        # residual stream are named as well as the classifier; the channels inside the blocks are its to choose.
        ignored = [layer for path, layer in model.named_modules() if path.startswith("stem") or ".conv2" in path]
        ignored += [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
        pruner = torch_pruning.pruner.BasePruner(
            model,
            example,
            importance=torch_pruning.importance.MagnitudeImportance(p=1),
            global_pruning=True,
            pruning_ratio=0.9,
            iterative_steps=60,
            ignored_layers=[one for one in ignored if isinstance(one, nn.Conv2d | nn.Linear)],
        )
        while profile(model, example).macs * self.factor > before.macs:
            pruner.step()
        after = profile(model, example)
        return Change(
            model,
            measurements={
                "params_before": before.params,
                "params": after.params,
                "macs_before": before.macs,
                "macs": after.macs,
                "widths": [layer.out_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)],
            },
        )


def recipes(epochs: int) -> dict[str, Recipe]:
    """Return what is compared; equal beginnings are computed once."""
    peer = PeerPruning(factor=PEER_FACTOR)
    # The rate at which the peer fine-tunes in its own published CIFAR-10 runs.
    tuning = Train(epochs=epochs, teacher="original", optimizer=SGD(learning_rate=0.01))
    # Inner widths of the three stages 16-16-32, then 16-16-48: both at the edges of the engine's staircase.
    half, gentle = inner_channels(0.5), inner_channels(0.74)
    return {
        "int8": Recipe(Quantize()),
        "torch_pruning": Recipe(peer, tuning),
        "torch_pruning_int8": Recipe(peer, tuning, Quantize()),
        "lissome": Recipe(half, tuning),
        "lissome_int8": Recipe(half, tuning, Quantize()),
        "lissome_gentle": Recipe(gentle, tuning),
        "lissome_gentle_int8": Recipe(gentle, tuning, Quantize()),
    }


def inner_channels(keep: float) -> PruneChannels:
    """Prune inside the blocks only, to multiples of 16; the layers behind are fitted by least squares."""
    return PruneChannels(keep=keep, score=L1(), multiple_of=16, skip=("stem.*", "*.conv2.*"), reconstruct=512)


def main() -> None:
    """Compress in every way, export, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seconds", type=float, default=40.0, help="time for the pairs on each engine")
    parser.add_argument("--only-compress", action="store_true", help="stop before anything is timed")
    arguments = parser.parse_args()
    data = Path(os.environ.get("LISSOME_DATA", "../shared/data"))
    original = create("resnet56")
    load_weights(original, data / "weights/cifar10_resnet_akamaster/resnet56-4bfd9763.th")
    with TerminalProgress() as progress, RunDirectory("runs/cifar10_resnet56") as run:
        context = Context(Task.from_cifar10(data / "cifar10"), seed=0, original=original, progress=progress, memory=run)
        outcomes: dict[str, Outcome | nn.Module] = {"float32": original}
        for name, recipe in recipes(arguments.epochs).items():
            progress.say(f"== {name}")
            outcomes[name] = recipe.apply(original, context)
        if not arguments.only_compress:
            write_result("cifar10_resnet56", measured(outcomes, context, arguments))


def measured(
    outcomes: dict[str, Outcome | nn.Module], context: Context, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Export every candidate and return all figures."""
    float_only = [name for name in outcomes if "int8" not in name]  # ncnn's int8 does not exist yet
    engines = {"onnxruntime": list(outcomes), "ncnn": float_only}
    task = context.require_task()
    table: dict[str, Any] = {
        **machine_and_versions("onnxruntime", "ncnn", "torch-pruning"),
        "seed": context.seed,
        "epochs": arguments.epochs,
        "test_images": len(task.test),
        "candidates": {name: candidate(one, context) for name, one in outcomes.items()},
        "engines": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        for engine, names in engines.items():
            context.progress.say(f"== {engine}")
            artifacts = {
                name: export(outcomes[name], f"{folder}/{engine}-{name}.lissome", runtimes=[engine], context=context)
                for name in names
            }
            figures = measure_on_engine(
                artifacts, engine, task, baseline="float32", seconds=arguments.seconds, seed=context.seed
            )
            rows = {
                name: {
                    "accuracy": figures.accuracy[name],
                    "points": 100 * (figures.accuracy[name] - figures.accuracy["float32"]),
                    "file_kib": artifacts[name].size_kib(engine),
                    "latency_ms": figures.timing.latency(name).to_dict(),
                    "speedup_over_float32": figures.timing.speedup(name, over="float32").to_dict(),
                    **(
                        {"speedup_over_int8": figures.timing.speedup(name, over="int8").to_dict()}
                        if "int8" in names
                        else {}
                    ),
                    "parity": artifacts[name].card.engines[engine].parity,
                }
                for name in names
            }
            table["engines"][engine] = {
                "rounds": figures.timing.rounds,
                "disturbed": figures.timing.stalled,
                "candidates": rows,
            }
    return table


def candidate(one: Outcome | nn.Module, context: Context) -> dict[str, Any]:
    """Return a candidate's counts and receipt."""
    model = one.model if isinstance(one, Outcome) else one
    cost = profile(without_quantization(model), context.example_inputs())
    receipt = one.to_dict() if isinstance(one, Outcome) else None
    return {"params": cost.params, "macs": cost.macs, "receipt": receipt}


if __name__ == "__main__":
    torch.manual_seed(0)  # the peer draws from the global generator
    main()
    print(json.dumps({"done": True}))
