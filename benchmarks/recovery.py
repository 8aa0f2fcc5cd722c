"""Recovery of a network that lost half of its blocks: the teacher's answers alone, or its feature maps beside them.

Run from the project's root, with the data of `docs/data.md`; what is finished is kept, and it goes on where it stopped:

    python benchmarks/recovery.py    # about 25 minutes of one core; times only layers, for a few seconds at first

The search compares the maps, too, where only blocks went (`tuning/trials/effort.py`). All are scored on validation
images; the test images are not looked at, since nothing here is a final figure. The published weights know the
validation images by heart, so that what counts is the difference between the rows, not the drop.
"""

import argparse
import os
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
WEIGHTS = (0.0, 1.0, 10.0)
"""Of the maps beside the answers; 0 compares answers alone."""
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
    cuts = [PruneBlocks(count=1, objective=table, images=256)] * BLOCKS
    rows = []
    with TerminalProgress() as progress, RunDirectory(folder / "run") as memory:
        context = Context(task, seed=0, original=original, progress=progress, memory=memory)
        for weight in WEIGHTS:
            train = Train(
                epochs=EPOCHS,
                teacher="original",
                optimizer=SGD(learning_rate=CALM),
                transfers=(SoftTargets(), FeatureHints(weight=weight)) if weight else (),
            )
            outcome = Recipe(*cuts, RecalibrateBatchNorm(), train).apply(original, context)
            accuracy = evaluate(outcome.model, task.validation, task.metric)
            rows.append({"weight_of_maps": weight, "validation_accuracy": accuracy})
            progress.say(f"maps weigh {weight}: {accuracy:.2%} on the validation images")
    before = evaluate(original, task.validation, task.metric)
    head = {**machine_and_versions("onnxruntime"), "seed": 0, "network": "resnet56", "blocks_removed": BLOCKS}
    write_result(NAME, {**head, "epochs": EPOCHS, "original_validation_accuracy": before, "rows": rows})


if __name__ == "__main__":
    main()
