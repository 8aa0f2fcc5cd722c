"""Every network of the catalog on every engine: does it export, and does it compute the same? And: does tuning pay?

Run from the project's root:

    python benchmarks/engines.py --only-parity                    # may run beside other work; about half an hour
    python benchmarks/engines.py --only-tuned                     # alone on the machine; about a minute a network
    python benchmarks/engines.py --only-tuned --names resnet18    # a slice of it; slices come together by themselves

Parity: each network (random weights, batch statistics of real pictures) is converted for each engine and compared with
PyTorch on real pictures, in a process of its own: should that end early, the engine it was at gets a cell with the
reason, and a new process goes on with the next. LiteRT and ExecuTorch take minutes a network:
`--engines litert --one-per-family`, in an environment that has them.
Tuned: `build` against every engine at its default settings in float32, in pairs, one thread, in sittings, each with
sessions opened anew.
Finished cells are kept in `runs/engines`; started again, it goes on. Writes `results/engines.json` and
`docs/engines.md` of all cells there are, or both into the folder of `--trial`.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from common import RESULTS, machine_and_versions, read_result, write_result
from engines_page import write_page
from lissome.core.context import Context
from lissome.core.errors import LissomeError
from lissome.core.files import write_text
from lissome.data import sample
from lissome.exporting.export import export
from lissome.exporting.proving import convert_and_prove
from lissome.exporting.samples import Samples
from lissome.models.catalog import CATALOG
from lissome.models.create import create
from lissome.runtimes.accuracy import Runs
from lissome.runtimes.table import get_runtime
from lissome.timing.pinned import pinned
from lissome.timing.sittings import measure_sittings
from lissome.tuning.budget import Budget
from lissome.tuning.build import build

ENGINES = ("onnxruntime", "openvino", "ncnn", "mnn")
TUNED = (
    *("resnet18", "resnet50", "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "shufflenet_v2_x1_0"),
    *("squeezenet1_1", "ghostnet", "densenet121", "efficientnet_lite0", "repvgg_a0_deploy", "vovnet39"),
)
KEPT = Path("runs/engines")
SEED = 0
IMAGES = 4
ROW_SECONDS = 3600
MARK = "cell "


def arguments_of(words: Iterable[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only-parity", action="store_true", help="the matrix; may run beside other work")
    parser.add_argument("--only-tuned", action="store_true", help="the timed part; must run alone")
    parser.add_argument("--names", nargs="*", default=None, choices=list(CATALOG), help="some networks only")
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), help="engines of the matrix")
    parser.add_argument("--one-per-family", action="store_true", help="the smallest network of each family")
    parser.add_argument("--limit", type=int, default=None, help="at most so many networks")
    parser.add_argument("--seconds", type=float, default=10.0, help="time of each measurement")
    parser.add_argument("--trial", type=Path, default=None, help="keep, and write result and page, below this folder")
    parser.add_argument("--row", nargs="+", metavar="NAME", help=argparse.SUPPRESS)
    return parser.parse_args(None if words is None else list(words))


def main() -> None:
    """Fill the cells that are missing, and write what there is."""
    arguments = arguments_of()
    kept = (arguments.trial or Path()) / KEPT
    if arguments.row:
        print_row(*arguments.row)
        return
    if not arguments.only_tuned:
        fill_matrix(names_of(arguments), arguments.engines, kept / "parity")
    if not arguments.only_parity:
        for name in (arguments.names or TUNED)[: arguments.limit]:
            target = kept / "tuned" / f"{name}.json"
            if not target.is_file():
                print(f"tuning {name}", flush=True)
                write_text(target, json.dumps(tuned_cell(name, arguments.seconds), indent=1) + "\n")
    engines = [one for one in (*ENGINES, "litert", "executorch", "torch") if get_runtime(one).available()]
    packages = [get_runtime(one).package for one in engines if one != "torch"]
    place = arguments.trial or RESULTS
    before = read_result("engines", place)
    result = machine_and_versions(*packages)
    result |= {
        "versions": {**before.get("versions", {}), **result["versions"]},
        "seed": SEED,
        "catalog": len(CATALOG),
        "parity": with_kept(before.get("parity", []), kept / "parity", ("name", "engine")),
        "tuned": with_kept(before.get("tuned", []), kept / "tuned", ("name",)),
    }
    write_result("engines", result, place)
    write_page(result, (arguments.trial or Path("docs")) / "engines.md")


def with_kept(cells: list[dict[str, Any]], folder: Path, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return cells of an earlier result, of other environments say, with those of a folder in their place."""
    found = [*cells, *(json.loads(one.read_text(encoding="utf-8")) for one in folder.glob("*.json"))]
    by_key = {tuple(one[key] for key in keys): one for one in found}
    return [by_key[key] for key in sorted(by_key)]


def names_of(arguments: argparse.Namespace) -> list[str]:
    """Return the networks of the matrix, small ones first."""
    names = sorted(arguments.names or CATALOG, key=lambda name: CATALOG[name].macs)
    if arguments.one_per_family:
        first: dict[str, str] = {}
        for name in names:
            first.setdefault(CATALOG[name].family, name)
        names = list(first.values())
    return names[: arguments.limit]


def fill_matrix(names: Sequence[str], engines: Sequence[str], kept: Path) -> None:
    """Fill each network's missing cells in a process of its own; what ends it early is the reason of one cell."""
    for name in names:
        missing = [one for one in engines if not (kept / f"{name}-{one}.json").is_file()]
        while missing:
            cells, reason = run_row(name, missing)
            if reason and len(cells) < len(missing):
                cells.append({"name": name, "engine": missing[len(cells)], "reason": reason})
            for cell in cells:
                write_text(kept / f"{name}-{cell['engine']}.json", json.dumps(cell, indent=1) + "\n")
                print(f"{name} on {cell['engine']}: {cell.get('reason') or cell.get('max_rel')}", flush=True)
            missing = missing[len(cells) :]


def run_row(name: str, engines: Sequence[str]) -> tuple[list[dict[str, Any]], str]:
    """Return the cells that a process of its own gave, in the order of the engines, and why there are no more."""
    command = [sys.executable, __file__, "--row", name, *engines]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=ROW_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        said = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or ""
        return cells_of(said), f"took longer than {ROW_SECONDS} s"
    last = (ended.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return cells_of(ended.stdout), f"the process ended with {ended.returncode}: {last[:300]}"


def cells_of(said: str) -> list[dict[str, Any]]:
    """Return the cells among the lines of a process; engines may have printed others."""
    return [json.loads(line.removeprefix(MARK)) for line in said.splitlines() if line.startswith(MARK)]


def print_row(name: str, *engines: str) -> None:
    """Convert one network for engines and compare it on real pictures; print each cell as soon as it is there."""
    model, samples = network(name)
    with tempfile.TemporaryDirectory(prefix="lissome-row-") as folder:
        for engine in engines:
            cell = parity_cell(name, engine, model, samples, Path(folder))
            sys.stdout.write(f"{MARK}{json.dumps(cell)}\n")
            sys.stdout.flush()


def parity_cell(name: str, engine: str, model: nn.Module, samples: Samples, folder: Path) -> dict[str, Any]:
    """Convert a network for one engine and compare it."""
    cell: dict[str, Any] = {"name": name, "engine": engine, "version": None}
    started = time.perf_counter()
    try:
        entry, _ = convert_and_prove(engine, model, samples, folder / engine, shelf=folder / "shelf")
    except LissomeError as error:
        return {**cell, "reason": re.sub(r"\S*/site-packages/", "", str(error))}  # no path of one machine
    outputs = entry.parity["outputs"]
    agreements = [one["top1_agreement"] for one in outputs if one["top1_agreement"] is not None]
    return {
        **cell,
        "version": entry.version,
        "precision": entry.precision,
        "max_rel": max(one["max_rel"] for one in outputs),
        "cosine": min(one["cosine"] for one in outputs),
        "top1_agreement": min(agreements) if agreements else None,
        "options": dict(entry.options),
        "note": entry.note,
        "seconds": round(time.perf_counter() - started, 1),
    }


def network(name: str) -> tuple[nn.Module, Samples]:
    """Return a network with random weights whose batch statistics are those of real pictures, and those pictures."""
    model, images = create(name, seed=SEED), pictures(CATALOG[name].input)
    norms = [one for one in model.modules() if isinstance(one, nn.BatchNorm2d)]
    for one in norms:
        one.reset_running_stats()
        one.momentum, one.training = None, True  # None: the plain mean of all batches
    with torch.no_grad():
        model(images)
    for one in norms:
        one.momentum = 0.1
    return model.eval(), Samples((images,), f"{IMAGES} real pictures")


def pictures(shape: tuple[int, int, int]) -> Tensor:
    """Return real pictures in the size and channels of a network's input, with mean 0 and deviation 1.

    Small inputs get CIFAR-10's test pictures, larger ones COCO's, which are at least as large: a picture that was
    blown up is smooth, and then two pixels of a pooling window are equal but for rounding, so that a network that asks
    where the maximum was (ENet) may answer either.
    """
    folder = Path(os.environ.get("LISSOME_DATA", "../shared/data"))
    files = sorted((folder / "coco128" / "images").rglob("*.jpg"))[:IMAGES]
    if max(shape[1:]) <= 64 or not files:
        images, _ = next(iter(sample().task.test.batches(IMAGES, limit=IMAGES)))
        images = functional.interpolate(images, size=shape[1:], mode="bilinear", align_corners=False)
    else:
        images = torch.stack([_photograph(one, shape[1:]) for one in files])
    if shape[0] != images.shape[1]:
        images = images.mean(1, keepdim=True).repeat(1, shape[0], 1, 1)
    return (images - images.mean()) / images.std()


def _photograph(path: Path, sides: tuple[int, ...]) -> Tensor:
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB").resize((sides[1], sides[0])), dtype=np.float32)
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy()) / 255


def tuned_cell(name: str, seconds: float) -> dict[str, Any]:
    """Build one network, and time the build against each engine at its defaults in float32, in pairs."""
    model, samples = network(name)
    context = Context(example=samples.inputs[0], seed=SEED)
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="lissome-tuned-") as temporary:
        folder = Path(temporary)
        made = build(model, folder / "tuned.lissome", context=context, budget=Budget(seconds=seconds))
        with pinned(1):
            openers: dict[str, Callable[[], Runs]] = {"tuned": made.artifact.session}
            for engine in (*ENGINES, "torch"):
                try:
                    get_runtime(engine).require()
                    plain = export(model, folder / f"{engine}.lissome", runtimes=[engine], context=context)
                    openers[engine] = plain.session
                except LissomeError as error:
                    failed[engine] = str(error)
            first = samples.inputs[0][:1].numpy()
            timing = measure_sittings(openers, first, baseline="tuned", seconds=seconds, seed=SEED)
    best = min((one for one in openers if one != "tuned"), key=lambda one: timing.latency(one).median_ms)
    return {
        "name": name,
        "chosen": made.chosen.to_dict(),
        "candidates": [one.to_dict() for one in made.candidates],
        "rounds": timing.rounds,
        "sittings": len(timing.sittings),
        "latency_ms": {one: timing.latency(one).to_dict() for one in openers},
        "best_default": best,
        "speedup_over_best_default": timing.speedup("tuned", over=best).to_dict(),
        "failed": failed,
    }


if __name__ == "__main__":
    main()
