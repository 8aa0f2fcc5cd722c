"""Which engine computes faster for zeros, and what they take on disk: dense against sparse weights, by pairs.

Run from the project's root, alone on the machine:

    python benchmarks/sparsity.py

Networks have random weights, since only time and size are measured; what sparsity costs in accuracy depends on the
training. Every file is run and compared with its source before it is timed (`export`).
"""

import argparse
import json
import tempfile
from typing import Any

import torch
from torch import nn

from common import RESULTS, machine_and_versions, write_result, write_section
from lissome.cli.progress import TerminalProgress
from lissome.compression.sparsity.prune_weights import PruneWeights
from lissome.core.context import Context
from lissome.exporting.export import export
from lissome.models.create import create
from lissome.runtimes.artifact import Artifact
from lissome.runtimes.table import get_runtime
from lissome.timing.pinned import pinned
from lissome.timing.sessions import measure_sessions

ENGINES = ("onnxruntime", "ncnn", "openvino", "mnn", "torch")
NETWORKS = {
    "mobilenet_v1, width 0.5": ("mobilenet_v1", 0.5, (1, 3, 128, 128)),
    "vgg19_cifar, width 0.5": ("vgg19_cifar", 0.5, (1, 3, 32, 32)),
}
"""One of 1x1 and depthwise convolutions, one of 3x3."""

PATTERNS = {
    "dense": None,
    "90 % zeros": PruneWeights(sparsity=0.9),
    "90 % in blocks of 4x1": PruneWeights(sparsity=0.9, pattern="4x1"),
    "2:4": PruneWeights(pattern="2:4"),
}


def main() -> None:
    """Prune, export, time, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="time for the pairs of each network on each engine")
    parser.add_argument("--limit", type=int, default=None, help="engines, for a try; nothing is written")
    parser.add_argument("--page", action="store_true", help="only write docs/sparsity.md from the results")
    arguments = parser.parse_args()
    if arguments.page:
        write_page(json.loads((RESULTS / "sparsity.json").read_text()))
        return
    engines = [name for name in ENGINES if get_runtime(name).available()][: arguments.limit]
    packages = [get_runtime(name).package for name in engines if name != "torch"]
    table: dict[str, Any] = {**machine_and_versions(*packages), "seed": 0, "networks": {}}
    with TerminalProgress() as progress:
        for title, (name, width, shape) in NETWORKS.items():
            context = Context(example=torch.rand(shape, generator=torch.Generator().manual_seed(0)), progress=progress)
            model = create(name, width=width, seed=0)
            found = {engine: measured(model, engine, context, arguments.seconds) for engine in engines}
            table["networks"][title] = {"input": list(shape), "engines": found}
    if arguments.limit:
        print(json.dumps(table["networks"], indent=1))
        return
    write_result("sparsity", table)
    write_page(table)


def measured(model: nn.Module, engine: str, context: Context, seconds: float) -> dict[str, Any]:
    """Return size and time of all patterns on one engine."""
    context.progress.say(f"== {engine}")
    with tempfile.TemporaryDirectory() as folder:
        artifacts: dict[str, Artifact] = {}
        sparsity: dict[str, float] = {}
        for number, (name, step) in enumerate(PATTERNS.items()):
            outcome = step.apply(model, context) if step else model
            sparsity[name] = outcome.measurements["sparsity"] if step else 0.0
            path = f"{folder}/{number}.lissome"
            artifacts[name] = export(outcome, path, runtimes=[engine], context=context)
        with pinned(1):
            sessions = {name: one.session(engine, threads=1) for name, one in artifacts.items()}
            images = context.example_inputs()[0].numpy()
            timing = measure_sessions(sessions, images, baseline="dense", rounds=50, seconds=seconds)
    return {
        name: {
            "sparsity": sparsity[name],
            "file_kib": one.size_kib(engine),
            "stored_kib": one.stored_kib(engine),
            "latency_ms": timing.latency(name).to_dict(),
            "speedup": timing.speedup(name, over="dense").to_dict(),
        }
        for name, one in artifacts.items()
    }


def write_page(table: dict[str, Any]) -> None:
    """Write the tables into the page: time as ratios of pairs, size in the artifact."""
    lines = []
    for title, network in table["networks"].items():
        patterns = [name for name in PATTERNS if name != "dense"]
        lines += [
            f"{title}, input {'x'.join(map(str, network['input']))}, one thread: how many times faster than dense, "
            "with the 95 % interval, and the file in the artifact.",
            "",
            "| engine | "
            + " | ".join(patterns)
            + " | KiB dense | "
            + " | ".join(f"KiB {one}" for one in patterns)
            + " |",
            "|---|" + "---|" * (2 * len(patterns) + 1),
        ]
        for engine, rows in network["engines"].items():
            speeds = [rows[name]["speedup"] for name in patterns]
            cells = [f"{one['median']:.2f}x [{one['low']:.2f}, {one['high']:.2f}]" for one in speeds]
            cells += [f"{rows[name]['stored_kib']:,.0f}" for name in ("dense", *patterns)]
            version = table["versions"].get(get_runtime(engine).package, "")
            lines.append(f"| {engine} {version} | " + " | ".join(cells) + " |")
        lines.append("")
    litert = RESULTS / "sparsity_litert.json"
    if litert.exists():
        lines += litert_lines(json.loads(litert.read_text()))
    write_section("sparsity.md", "results", "\n".join(lines))


def litert_lines(table: dict[str, Any]) -> list[str]:
    """Return what `sparsity_litert.py` measured, as a table."""
    version = table["versions"]["ai-edge-litert"]
    lines = [
        f"LiteRT {version} on {table['architecture']}, 1x1 convolutions of 128 channels, one thread:",
        "",
        "| weights | faster than dense | file, KiB |",
        "|---|---|---|",
    ]
    for name, row in table["cases"].items():
        speed = row["speedup"]
        lines.append(
            f"| {name} | {speed['median']:.2f}x [{speed['low']:.2f}, {speed['high']:.2f}] | {row['file_kib']:,.0f} |"
        )
    return lines


if __name__ == "__main__":
    main()
