"""What runs on a device: networks of a bundle, compared with what they should give, and timed turn by turn.

It needs Python, numpy and the engine; of lissome only what it imports, which the bundle brings along.
"""

import json
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lissome.core.errors import EngineError
from lissome.core.machine import describe_machine, fingerprint
from lissome.runtimes.protocol import SessionSettings
from lissome.runtimes.table import get_runtime
from lissome.timing.measure import measure
from lissome.timing.pinned import pinned

MANIFEST, SAMPLES = "manifest.json", "samples.npz"
FORMAT = 2


def run_bundle(folder: Path) -> dict[str, Any]:
    """Return what was measured of the networks of a bundle.

    Args:
        folder: Where the bundle was unpacked.

    Raises:
        EngineMissingError: Its engine is not installed; says the pip line.
        EngineError: The engine refuses a network.
    """
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    with np.load(folder / SAMPLES, allow_pickle=False) as kept:
        arrays = {name: kept[name] for name in kept.files}
    versions = {one: get_runtime(one).version() for one in manifest["engines"]}
    networks, threads, baseline = manifest["networks"], manifest["threads"], manifest["baseline"]
    differences: dict[str, Any] = {}
    declined: dict[str, str] = {}
    calls: dict[str, Any] = {}
    with pinned(threads):
        for one in networks:
            name, inputs = one["name"], tuple(arrays[each] for each in one["inputs"])
            try:
                session = _open(one, folder, threads)
                differences[name] = _difference(session.run(*inputs), tuple(arrays[each] for each in one["outputs"]))
            except EngineError as error:
                if name == baseline or len(networks) == 1:
                    raise
                declined[name] = str(error)
                continue
            calls[name] = partial(session.run, *(each[:1] for each in inputs))
        names = ("baseline", "rounds", "seconds", "seed")
        timing = measure(calls, **{name: manifest[name] for name in names}) if calls else None
    return {
        "format": FORMAT,
        "machine": describe_machine(),
        "python": sys.version.split()[0],
        "versions": versions,
        "fingerprints": {name: fingerprint(name, version) for name, version in versions.items()},
        "threads": threads,
        "networks": [{name: one[name] for name in ("name", "engine", "precision", "options")} for one in networks],
        "declined": declined,
        "differences": differences,
        "baseline": baseline,
        "stalled": timing.stalled if timing else 0,
        "seed": manifest["seed"],
        "samples_ms": {name: list(row) for name, row in timing.samples_ms.items()} if timing else {},
        "measured": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def main(bundle: str | os.PathLike[str]) -> None:
    """Unpack a bundle, run it, and write what was measured to standard output as JSON."""
    with tempfile.TemporaryDirectory(prefix="lissome-") as folder:
        with zipfile.ZipFile(bundle) as archive:
            archive.extractall(folder)  # its own bundle: the program that runs came from the same file
        json.dump(run_bundle(Path(folder)), sys.stdout)
        sys.stdout.write("\n")


def _open(network: Mapping[str, Any], folder: Path, threads: int) -> Any:
    runtime = get_runtime(network["engine"])
    options = {name: values[0] for name, values in runtime.options.items()} | dict(network["options"])
    settings = SessionSettings(threads=threads, precision=network["precision"], options=options)
    # What the files can be computed in was looked up where the bundle was made, with packages that are not here.
    return runtime.open_as(folder / network["folder"], settings)


def _difference(outputs: tuple[Any, ...], expected: tuple[Any, ...]) -> dict[str, float]:
    """Return how far outputs are from what the same file gave where the bundle was made."""
    pairs = [(one.ravel(), other.ravel()) for one, other in zip(outputs, expected, strict=True)]
    largest = max(float(np.abs(one - other).max() / max(np.abs(other).max(), 1e-12)) for one, other in pairs)
    first, second = outputs[0].reshape(len(outputs[0]), -1), expected[0].reshape(len(outputs[0]), -1)
    return {"max_rel": largest, "top1_agreement": float((first.argmax(1) == second.argmax(1)).mean())}
