"""Networks for a device in one file that runs there by itself: ``python3 cat.pyz``."""

import ast
import hashlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from lissome.core.errors import SettingError
from lissome.core.files import replacing
from lissome.exporting.stored_samples import stored_samples
from lissome.runtimes.artifact import Artifact
from lissome.runtimes.protocol import Array
from lissome.runtimes.table import RUNTIMES, get_runtime
from lissome.timing.device import EngineFiles, Turns
from lissome.timing.device_runner import MANIFEST, SAMPLES

_ROOT = Path(__file__).parents[1]
_START = """import os, sys
from lissome.timing.device_runner import main
main(os.path.abspath(sys.argv[0]))
"""
_STAMP = (1980, 1, 1, 0, 0, 0)


def write_bundle(
    artifacts: Mapping[str, Artifact],
    path: str | os.PathLike[str],
    *,
    engine: str | None = None,
    threads: int = 1,
    seconds: float = 10.0,
    seed: int = 0,
) -> Path:
    """Write artifacts and a runner as one file; equal contents are equal bytes.

    On the device it needs Python 3.11 with the engine's own package, and nothing of lissome or torch.

    Args:
        artifacts: By name; with several, the first is what the others are compared with, by pairs.
        path: The file, such as cat.pyz; written whole or not at all.
        engine: One engine for all; None takes what each was tuned for, else its first.
        threads: Threads of the engine there, ≥ 1.
        seconds: Time for the rounds, > 0.
        seed: Seed of the order of turns.

    Raises:
        SettingError: There are no artifacts, they take other inputs, or a number is out of its range.
        UnknownNameError: An artifact has nothing for the engine.
        BadArtifactError: An artifact holds no samples.
    """
    if not artifacts or threads < 1 or not seconds > 0:
        raise SettingError(
            f"{len(artifacts)} artifacts, threads {threads}, seconds {seconds}",
            where="bundle",
            fix="give at least one artifact, one thread, and seconds above 0",
        )
    shapes = {one.card.input_shapes for one in artifacts.values()}
    if len(shapes) > 1:
        raise SettingError("the artifacts take other inputs", where="bundle", fix="make a bundle of each")
    turns = Turns(
        baseline=next(iter(artifacts)) if len(artifacts) > 1 else None, threads=threads, seconds=seconds, seed=seed
    )
    first = next(iter(artifacts.values()))
    inputs = stored_samples(first.card, first.contents).inputs  # the same for all, so that turns are alike
    with tempfile.TemporaryDirectory(prefix="lissome-") as temporary:
        networks = {
            name: EngineFiles.of(one, _engine_of(one, engine), Path(temporary, str(place)), inputs)
            for place, (name, one) in enumerate(artifacts.items())
        }
        return bundle_of(networks, path, turns)


def bundle_of(
    networks: Mapping[str, EngineFiles], path: str | os.PathLike[str], turns: Turns, engines: Iterable[str] = ()
) -> Path:
    """Write networks, what they give here, and a runner as one file; equal contents are equal bytes.

    Args:
        networks: By name; none for a bundle that only tells what the device is.
        path: The file; written whole or not at all.
        turns: How they are timed.
        engines: Engines whose versions are asked for beside those of the networks.

    Raises:
        EngineError: An engine refuses a network here.
    """
    contents: dict[str, bytes] = {}
    arrays: dict[str, Array] = {}
    rows = []
    for place, (name, one) in enumerate(networks.items()):
        session = one.open(threads=1)
        described = session.describe()
        for file in get_runtime(one.engine).files:
            contents[f"networks/{place}/{file}"] = (one.folder / file).read_bytes()
        plain = {"name": name, "engine": one.engine, "precision": described.precision}
        rows.append(
            {
                **plain,
                "options": dict(described.options),
                "folder": f"networks/{place}",
                "inputs": [_kept(array, arrays) for array in one.inputs],
                "outputs": [_kept(array, arrays) for array in session.run(*one.inputs)],
            }
        )
    asked = dict.fromkeys([*(one.engine for one in networks.values()), *engines])
    manifest = {"networks": rows, "engines": list(asked), **asdict(turns)}
    packed = io.BytesIO()
    np.savez(packed, **arrays)  # type: ignore[arg-type] # numpy's own signature names one more
    contents |= {MANIFEST: json.dumps(manifest, indent=1).encode(), SAMPLES: packed.getvalue()}
    contents |= {"__main__.py": _START.encode(), **_sources(asked)}
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in sorted(contents):
            archive.writestr(zipfile.ZipInfo(name, _STAMP), contents[name])
    return Path(path)


def _kept(array: Array, arrays: dict[str, Array]) -> str:
    """Keep an array under a name of its contents, so that equal ones are kept once."""
    digest = hashlib.sha256(f"{array.shape} {array.dtype}".encode() + np.ascontiguousarray(array).tobytes())
    name = f"array-{digest.hexdigest()[:16]}"
    arrays[name] = array
    return name


def _sources(engines: Iterable[str]) -> dict[str, bytes]:
    """Return the modules of lissome that a runner needs: what it imports, and what those import, at their top."""
    found: dict[str, bytes] = {}
    waiting = ["lissome", "lissome.timing.device_runner", *(RUNTIMES[one].partition(":")[0] for one in engines)]
    while waiting:
        module = waiting.pop()
        path = _ROOT.joinpath(*module.split(".")[1:])
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        name = f"lissome/{file.relative_to(_ROOT).as_posix()}"
        if name in found:
            continue
        found[name] = file.read_bytes()
        parents = [".".join(module.split(".")[:depth]) for depth in range(1, module.count(".") + 1)]
        waiting += [*parents, *_imported(found[name])]
    return found


def _imported(source: bytes) -> list[str]:
    names = [one.module or "" for one in ast.parse(source).body if isinstance(one, ast.ImportFrom)]
    return [one for one in names if one.startswith("lissome.")]


def pip_line(artifacts: Iterable[Artifact], engine: str | None = None) -> str:
    """Return what a device must install to run a bundle of artifacts.

    Args:
        artifacts: What is in it.
        engine: As for `write_bundle`.
    """
    packages = {get_runtime(_engine_of(one, engine)).package for one in artifacts}
    return f"pip install numpy {' '.join(sorted(packages))}"


def _engine_of(artifact: Artifact, engine: str | None) -> str:
    tuned = artifact.card.tuning
    return engine or (tuned.engine if tuned else artifact.runtimes[0])
