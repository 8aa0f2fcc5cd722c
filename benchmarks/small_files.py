"""Small files: k-means against scikit-learn, and CIFAR-10 networks pruned, shared and entropy-coded, whole on disk.

Run from the project's root, with the data of `docs/data.md`:

    pip install -r benchmarks/requirements.txt
    python benchmarks/small_files.py --only-train  # ResNet-56; may run beside other work, goes on where it stopped
    python benchmarks/small_files.py               # alone on the machine

`--network vgg` does the same for a VGG of 9 M parameters, which it trains from scratch first: hours. Every choice is
made on the validation images held out of the training data; the 10,000 test images give the final figures, once, on the
engine.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from common import machine_and_versions, read_result, write_result, write_section
from lissome.artifacts.packing import pack, unpack
from lissome.cli.progress import TerminalProgress
from lissome.compression.clustering.cluster_weights import ClusterWeights
from lissome.compression.clustering.kmeans import cluster
from lissome.compression.sparsity.prune_weights import PruneWeights
from lissome.core.context import Context
from lissome.core.outcome import Outcome
from lissome.core.recipe import Recipe
from lissome.core.run_directory import RunDirectory
from lissome.data.task import Task
from lissome.exporting.export import export
from lissome.models.create import create
from lissome.models.weights import load_weights
from lissome.runtimes.artifact import load
from lissome.runtimes.sizes import sizes
from lissome.timing.engine_figures import measure_on_engine
from lissome.training.optimizers import SGD
from lissome.training.train import Train
from lissome.training.transfers import FeatureHints, SoftTargets

CLUSTERS = 32
MOST_POINTS = 0.5
ENGINE = "onnxruntime"
CANDIDATES = {
    "resnet56": ((0.82, 16),),
    "vgg": ((0.95, 16),),
}
"""Share of zeros and clusters; the smallest that loses at most half a point on the validation images is taken, or the
most accurate one if none does."""

TIMES_SMALLER = {"resnet56": 15, "vgg": 60}


def recipe(sparsity: float, clusters: int, epochs: int, hints: float) -> Recipe:
    """Prune, train, share, train the shared values: three quarters of the epochs for the first."""
    last = max(1, epochs // 4)
    transfers = (SoftTargets(), FeatureHints(weight=hints, relative=True)) if hints else ()
    return Recipe(
        PruneWeights(sparsity=sparsity, scope="global", ends=True),
        Train(epochs=max(1, epochs - last), teacher="original", transfers=transfers, optimizer=SGD(learning_rate=0.02)),
        ClusterWeights(
            clusters=clusters,
            fine_tune=Train(epochs=last, teacher="original", transfers=transfers, optimizer=SGD(learning_rate=0.002)),
        ),
    )


def main() -> None:
    """Cluster, train, pack, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=CANDIDATES, default="resnet56")
    parser.add_argument("--epochs", type=int, default=2, help="of fine-tuning, for each candidate")
    parser.add_argument("--hints", type=float, default=0.0, help="weight of the teacher's maps beside its answers")
    parser.add_argument("--train-epochs", type=int, default=60, help="of the VGG from scratch")
    parser.add_argument("--seconds", type=float, default=20.0, help="time for the pairs on the engine")
    parser.add_argument("--limit", type=int, default=None, help="tensors to cluster, for a try; nothing is written")
    parser.add_argument("--only-train", action="store_true", help="stop before anything is timed")
    parser.add_argument("--page", action="store_true", help="only write docs/small_files.md from the results")
    arguments = parser.parse_args()
    if arguments.page:
        write_page(read_result("small_files"))
        return
    data = Path(os.environ.get("LISSOME_DATA", "../shared/data"))
    if arguments.limit:
        print(json.dumps({"kmeans": kmeans(data, arguments.limit), "decoding": decoding()}, indent=1))
        return
    with TerminalProgress() as progress, RunDirectory(f"runs/small_files_{arguments.network}") as run:
        task = Task.from_cifar10(data / "cifar10")
        original = trained(arguments, Context(task, seed=0, progress=progress, memory=run), data)
        context = Context(task, seed=0, original=original, progress=progress, memory=run)
        outcomes = {}
        for sparsity, clusters in CANDIDATES[arguments.network]:
            progress.say(f"== {sparsity:.0%} zeros, {clusters} clusters")
            step = recipe(sparsity, clusters, arguments.epochs, arguments.hints)
            outcomes[sparsity, clusters] = step.apply(original, context)
        if arguments.only_train:
            return
        table = {**machine_and_versions(ENGINE, "scikit-learn"), "seed": 0}
        table["kmeans"], table["decoding"] = kmeans(data, None), decoding()
        table["networks"] = {
            **read_result("small_files").get("networks", {}),
            arguments.network: measured(original, outcomes, context, arguments),
        }
    write_result("small_files", table)
    write_page(table)


def trained(arguments: argparse.Namespace, context: Context, data: Path) -> nn.Module:
    """Return the network to compress: ResNet-56 with its published weights, or a VGG trained here."""
    if arguments.network == "resnet56":
        model = create("resnet56")
        load_weights(model, data / "weights/cifar10_resnet_akamaster/resnet56-4bfd9763.th")
        return model
    vgg = create("vgg11_bn", classes=10, small_input=True, seed=0)
    assert sum(one.numel() for one in vgg.parameters()) >= 9_000_000
    step = Train(epochs=arguments.train_epochs, optimizer=SGD(learning_rate=0.1))
    return Recipe(step).apply(vgg, context).model


def kmeans(data: Path, limit: int | None) -> dict[str, Any]:
    """Cluster EfficientNet-Lite0's weights, layer by layer, by us and by scikit-learn in turn."""
    from sklearn.cluster import KMeans

    model = create("efficientnet_lite0")
    load_weights(model, data / "weights/imagenet_efficientnet_lite0/efficientnet-lite0-57934424.pth")
    weights = {name: one.detach().flatten().numpy() for name, one in model.named_parameters() if one.ndim > 1}
    seconds = {"lissome": 0.0, "scikit-learn": 0.0}
    rows = []
    for name, values in [*weights.items()][:limit]:
        started = time.perf_counter()
        ours = cluster(values.astype(np.float64), CLUSTERS, "optimal").distortion
        between = time.perf_counter()
        theirs = float(KMeans(CLUSTERS, random_state=0).fit(values[:, None].astype(np.float64)).inertia_)
        seconds["lissome"] += between - started
        seconds["scikit-learn"] += time.perf_counter() - between
        rows.append({"tensor": name, "weights": len(values), "lissome": ours, "scikit-learn": theirs})
    return {
        "network": "efficientnet_lite0",
        "clusters": CLUSTERS,
        "weights": sum(one["weights"] for one in rows),
        "seconds": seconds,
        "times_quicker": seconds["scikit-learn"] / seconds["lissome"],
        "distortion": {name: sum(one[name] for one in rows) for name in seconds},
        "layers_not_above": sum(one["lissome"] <= one["scikit-learn"] * (1 + 1e-9) for one in rows),
        "layers": len(rows),
    }


def decoding() -> dict[str, float]:
    """Return MB of restored weights a second, of tensors of 4 M weights, best of five."""
    generator = np.random.default_rng(0)
    speeds = {}
    for name, share in (("shared by 32", 1.0), ("90 % zeros, 16 values", 0.1)):
        values = cluster(generator.standard_normal(1 << 22), 32 if share == 1 else 16, "optimal")
        words = values.centroids[values.labels].astype(np.float32)
        words[generator.random(len(words)) >= share] = 0
        packed = pack(words.tobytes(), [(0, words.nbytes)])
        assert packed is not None
        taken = []
        for _ in range(5):
            started = time.perf_counter()
            restored = unpack(packed, words.nbytes)
            taken.append(time.perf_counter() - started)
            assert restored == words.tobytes()
        speeds[name] = words.nbytes / min(taken) / 1e6
    return speeds


def measured(
    original: nn.Module,
    outcomes: dict[tuple[float, int], Outcome],
    context: Context,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Choose on validation images, export with one engine's file, and score the two on the engine."""
    from lissome.training.evaluate import evaluate

    task = context.require_task()
    reference = evaluate(original, task.validation, task.metric)
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        whole = export(original, f"{folder}/float32.lissome", runtimes=[ENGINE], context=context)
        artifacts = {}
        for (sparsity, clusters), outcome in outcomes.items():
            name = f"{sparsity:.0%} zeros, {clusters} clusters"
            artifacts[name] = export(outcome, f"{folder}/{len(rows)}.lissome", runtimes=[ENGINE], context=context)
            score = evaluate(outcome.model, task.validation, task.metric)
            rows[name] = {
                "validation": score,
                "artifact_bytes": artifacts[name].path.stat().st_size,
                "receipt": outcome.to_dict(),
            }
        good = [name for name, row in rows.items() if 100 * (reference - row["validation"]) <= MOST_POINTS]
        chosen = (
            min(good, key=lambda name: rows[name]["artifact_bytes"])
            if good
            else max(rows, key=lambda name: rows[name]["validation"])
        )
        candidates = {"float32": whole, chosen: load(artifacts[chosen].path)}
        figures = measure_on_engine(
            candidates, ENGINE, task, baseline="float32", seconds=arguments.seconds, seed=context.seed
        )
        raw = {name: one.path.stat().st_size for name, one in candidates.items()}
        return {
            "params": whole.card.params,
            "epochs": arguments.epochs,
            "hints": arguments.hints,
            "validation_before": reference,
            "candidates": rows,
            "chosen": chosen,
            "within_validation_bound": bool(good),
            "accuracy": dict(figures.accuracy),
            "points": 100 * (figures.accuracy[chosen] - figures.accuracy["float32"]),
            "artifact_bytes": raw,
            "times_smaller": raw["float32"] / raw[chosen],
            "asked": TIMES_SMALLER[arguments.network],
            "speedup": figures.timing.speedup(chosen, over="float32").to_dict(),
            "sizes": sizes(candidates[chosen]).to_dict(),
        }


def write_page(table: dict[str, Any]) -> None:
    """Write the tables into docs/small_files.md."""
    found = table["kmeans"]
    seconds, distortion = found["seconds"], found["distortion"]
    lines = [
        f"{found['weights']:,} weights of {found['network']}, {found['clusters']} clusters a layer, in one run:",
        "",
        "| | seconds | distortion |",
        "|---|---|---|",
        *(f"| {name} | {seconds[name]:.2f} | {distortion[name]:.4f} |" for name in seconds),
        "",
        f"{found['times_quicker']:.1f}x quicker; in {found['layers_not_above']} of {found['layers']} layers the "
        "distortion is not above scikit-learn's. Decoding, MB of restored weights a second: "
        + ", ".join(f"{name} {speed:,.0f}" for name, speed in table["decoding"].items())
        + ".",
        "",
        "| network | params | recipe | float32, bytes | artifact, bytes | times smaller | accuracy | points |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in table["networks"].items():
        before, after = row["artifact_bytes"]["float32"], row["artifact_bytes"][row["chosen"]]
        lines.append(
            f"| {name} | {row['params']:,} | {row['chosen']} | {before:,} | {after:,} | {row['times_smaller']:.1f}x "
            f"(asked {row['asked']}x) | {row['accuracy'][row['chosen']]:.2%} | {row['points']:+.2f} |"
        )
    write_section("small_files.md", "results", "\n".join(lines))


if __name__ == "__main__":
    main()
