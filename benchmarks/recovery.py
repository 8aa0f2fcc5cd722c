"""Recovery of a network that lost half of its blocks: which ones, and with the teacher's maps beside its answers?

Run from the project's root, with the data of `docs/data.md`; what is finished is kept, and it goes on where it stopped:

    python benchmarks/recovery.py    # about 35 minutes of one core; times only layers, for a few seconds at first

What the search does by these figures: `tuning/trials/effort.py`, `tuning/trials/moves/remove_blocks.py`. All are scored
on validation images; the test images are not looked at, since nothing here is a final figure. The published weights
know the validation images by heart, and who stays near them knows more of them: the figures of `automatic.py` decide.
"""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

import torch

from common import machine_and_versions, write_result
from lissome.cli.progress import TerminalProgress
from lissome.compression.pruning.prune_blocks import PruneBlocks
from lissome.core.context import Context
from lissome.core.recipe import Recipe
from lissome.core.run_directory import RunDirectory
from lissome.data.task import Task
from lissome.models.create import create
from lissome.models.weights import load_weights
from lissome.timing.layer_bench import LayerBench
from lissome.timing.measure_layers import measure_layers
from lissome.training.evaluate import evaluate
from lissome.training.optimizers import SGD
from lissome.training.recalibrate_batch_norm import RecalibrateBatchNorm
from lissome.training.train import Train
from lissome.training.transfers import FeatureHints, SoftTargets

NAME = "recovery"
BLOCKS = 13
EPOCHS = 2
WAYS: Mapping[str, tuple[tuple[str, ...], FeatureHints | None]] = {
    "any blocks, answers alone": ((), None),
    "any blocks, maps weigh 10": ((), FeatureHints(weight=10.0)),
    "any blocks, maps weigh 100": ((), FeatureHints(weight=100.0)),
    "small blocks, maps weigh 10": (("stages.stage3.*",), FeatureHints(weight=10.0)),
}
"""Which blocks stay, and what is compared beside the answers. The mean square of the maps here is about 3."""
CALM = 0.02


def main() -> None:
    """Cut once, recover in each way, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs", NAME), help="where finished steps are kept")
    folder = parser.parse_args().folder
    data = Path(os.environ.get("LISSOME_DATA", "../shared/data"))
    task = Task.from_cifar10(data / "cifar10")
    original = create("resnet56").eval()
    load_weights(original, data / "weights/cifar10_resnet_akamaster/resnet56-4bfd9763.th")
    folder.mkdir(parents=True, exist_ok=True)
    bench = LayerBench(runtime="onnxruntime", precision="int8", seconds=1.0)
    table = measure_layers(original, torch.zeros(1, 3, 32, 32), folder / "layers.json", bench=bench)
    rows = []
    with TerminalProgress() as progress, RunDirectory(folder / "run") as memory:
        context = Context(task, seed=0, original=original, progress=progress, memory=memory)
        for name, (skip, hints) in WAYS.items():
            cuts = [PruneBlocks(count=1, objective=table, images=256, skip=skip)] * BLOCKS
            train = Train(
                epochs=EPOCHS,
                teacher="original",
                optimizer=SGD(learning_rate=CALM),
                transfers=(SoftTargets(), hints) if hints else (),
            )
            outcome = Recipe(*cuts, RecalibrateBatchNorm(), train).apply(original, context)
            last = outcome.parts[BLOCKS - 1].measurements
            rows.append(
                {
                    "name": name,
                    "validation_accuracy": evaluate(outcome.model, task.validation, task.metric),
                    "layers_ms": last["predicted"],
                    "removed": [cut["name"] for one in outcome.parts[:BLOCKS] for cut in one.measurements["removed"]],
                }
            )
            progress.say(f"{name}: {rows[-1]['validation_accuracy']:.2%} on the validation images")
    before = evaluate(original, task.validation, task.metric)
    head = {**machine_and_versions("onnxruntime"), "seed": 0, "network": "resnet56", "blocks_removed": BLOCKS}
    write_result(NAME, {**head, "epochs": EPOCHS, "original_validation_accuracy": before, "rows": rows})


if __name__ == "__main__":
    main()
