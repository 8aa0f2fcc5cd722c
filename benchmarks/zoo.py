"""Every network of the catalog: what it counts, and what it takes on two engines.

Run from the project's root, alone on the machine:

    python benchmarks/zoo.py

Each network is exported at the catalog's input size, compared with torch, and timed on both engines in turn, one
thread, pinned; a reference network takes a turn in every round, so that networks timed an hour apart can be compared by
their ratio to it. A finished network is kept in `runs/zoo`; started again, it goes on with the next. `--only-train`
trains the small networks of `zoo_training.py` instead, and may run beside other work; `--only-count` times nothing.

Writes `results/zoo.json`, and from it `docs/zoo.md`.
"""

import argparse
import importlib.metadata
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from common import RESULTS, machine_and_versions, read_result, write_result
from lissome.cli.progress import TerminalProgress
from lissome.core.context import Context
from lissome.core.errors import LissomeError
from lissome.core.files import write_text
from lissome.core.progress import Progress
from lissome.core.settings import key_of
from lissome.exporting.export import export
from lissome.models.catalog import CATALOG
from lissome.models.create import create
from lissome.profiling.profile import profile
from lissome.runtimes.artifact import Artifact
from lissome.timing.measure import measure
from lissome.timing.pinned import pinned
from zoo_page import write_page
from zoo_training import train_families

ENGINES = ("onnxruntime", "ncnn")
REFERENCE = "mobilenet_v2"
"""Timed beside every network, on the first engine."""
IMAGES = 4
"""Images of the comparison with torch, and for the statistics of batch normalisation."""
KEPT = Path("runs/zoo")
SEED = 0


def arguments_of(words: Iterable[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0, help="time for the rounds of one network")
    parser.add_argument("--names", nargs="*", default=list(CATALOG), choices=list(CATALOG), help="some networks only")
    parser.add_argument("--only-count", action="store_true", help="count, and write the page without any time")
    parser.add_argument("--only-train", action="store_true", help="only the training demonstration")
    parser.add_argument("--epochs", type=int, default=3, help="of the training demonstration")
    parser.add_argument("--images", type=int, default=20_000, help="training images of the demonstration")
    parser.add_argument("--families", nargs="*", default=None, help="some families of the demonstration only")
    parser.add_argument("--trial", type=Path, default=None, help="write result and page into this folder instead")
    return parser.parse_args(None if words is None else list(words))


def main() -> None:
    """Count, train or time, and write."""
    arguments = arguments_of()
    place = arguments.trial or RESULTS
    earlier = read_result("zoo", place)  # training and timing each keep the other's part
    result: dict[str, Any] = {
        **machine_and_versions("onnxruntime", "ncnn"),
        "seed": SEED,
        "reference": REFERENCE,
        "networks": earlier.get("networks", {}),
        "training": earlier.get("training"),
    }
    with TerminalProgress() as progress:
        if arguments.only_train:
            result["training"] = train_families(arguments.images, arguments.epochs, arguments.families, progress)
        else:
            counted = {name: counts_of(name) for name in CATALOG}
            timed = {} if arguments.only_count else time_networks(arguments, progress)
            result["networks"] = {
                name: {**counted[name], "engines": timed.get(name) or earlier_engines(earlier, name)}
                for name in CATALOG
            }
    if arguments.trial or not arguments.only_count:
        write_result("zoo", result, place)
    write_page(result, (arguments.trial or Path("docs")) / "zoo.md")


def earlier_engines(earlier: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the engines' figures of an earlier run."""
    engines: dict[str, Any] = earlier.get("networks", {}).get(name, {}).get("engines", {})
    return engines


def counts_of(name: str) -> dict[str, Any]:
    """Return what can be counted, for one image of the catalog's size."""
    entry = CATALOG[name]
    with torch.device("meta"):
        model = create(name)
    cost = profile(model, (1, *entry.input))
    return {
        "family": entry.family,
        "input": list(entry.input),
        "params": cost.params,
        "macs": cost.macs,
        "bytes_moved": cost.bytes_moved,
        "top1": entry.top1,
        "dataset": entry.dataset,
    }


def time_networks(arguments: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Export and time each network that is not kept yet; the smallest first."""
    KEPT.mkdir(parents=True, exist_ok=True)
    versions = {name: importlib.metadata.version(name) for name in ("lissome", "torch", *ENGINES)}
    timed: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        reference: Artifact | None = None
        for name in sorted(arguments.names, key=lambda one: CATALOG[one].macs):
            path = KEPT / f"{name}-{key_of(name, arguments.seconds, SEED, versions)}.json"
            if not path.is_file():
                reference = reference or exported(REFERENCE, ENGINES[0], Path(folder))[0]
                progress.say(f"== {name}")
                write_text(path, json.dumps(time_network(name, reference, arguments.seconds, Path(folder)), indent=1))
            timed[name] = json.loads(path.read_text(encoding="utf-8"))
    return timed


def time_network(name: str, reference: Artifact, seconds: float, folder: Path) -> dict[str, Any]:
    """Return, for each engine, parity and latency, or why there is none."""
    table: dict[str, Any] = {}
    artifacts: dict[str, Artifact] = {}
    images = torch.zeros(1)
    for engine in ENGINES:
        try:
            artifacts[engine], images = exported(name, engine, folder)
        except LissomeError as error:
            table[engine] = {"refused": str(error)}
    if not artifacts:
        return table
    image = images[:1].numpy()
    reference_image = samples(REFERENCE)[:1].numpy()
    with pinned(1):
        sessions = {engine: one.session(engine, threads=1, precision="float32") for engine, one in artifacts.items()}
        beside = reference.session(ENGINES[0], threads=1, precision="float32")
        calls = {
            "reference": lambda: beside.run(reference_image),
            **{engine: (lambda one=one: one.run(image)) for engine, one in sessions.items()},
        }
        timing = measure(calls, baseline="reference", rounds=15, seconds=seconds, seed=SEED)
    for engine, artifact in artifacts.items():
        table[engine] = {
            "parity": artifact.card.engines[engine].parity,
            "file_kib": artifact.size_kib(engine),
            "latency_ms": timing.latency(engine).to_dict(),
            "speed_over_reference": timing.speedup(engine).to_dict(),
            "reference_ms": timing.latency("reference").to_dict(),
            "rounds": timing.rounds,
            "disturbed": timing.stalled,
        }
        Path(artifact.path).unlink()
    return table


def exported(name: str, engine: str, folder: Path) -> tuple[Artifact, Tensor]:
    """Return a network's proved artifact, and the images it was proved on.

    Raises:
        LissomeError: The engine cannot have it, or computes something else.
    """
    images = samples(name)
    model = with_statistics(create(name, seed=SEED), images)
    path = folder / f"{name}-{engine}.lissome"
    return export(model, path, runtimes=[engine], context=Context(example=images, seed=SEED)), images


def samples(name: str) -> Tensor:
    """Return noise of the network's input size."""
    return torch.randn(IMAGES, *CATALOG[name].input, generator=torch.Generator().manual_seed(SEED))


def with_statistics(model: nn.Module, images: Tensor) -> nn.Module:
    """Take batch normalisation's statistics from images, as training does.

    Without, a deep network of random weights multiplies rounding errors until no two engines agree.
    """
    norms = [one for one in model.modules() if isinstance(one, _BatchNorm)]
    momenta = [one.momentum for one in norms]
    for one in norms:
        one.momentum = 1.0
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(SEED)  # dropout draws
        model.train()
        model(images)
    for one, momentum in zip(norms, momenta, strict=True):
        one.momentum = momentum
    return model.eval()


if __name__ == "__main__":
    main()
    print(json.dumps({"done": True}))
