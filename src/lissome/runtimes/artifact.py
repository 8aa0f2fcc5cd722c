"""An artifact in the hands of its user: load it, choose an engine, run pictures."""

import math
import os
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from lissome.artifacts.archive import read_archive
from lissome.artifacts.card import Card, EngineEntry
from lissome.core.errors import EngineError, SettingError, ShapeError, UnknownNameError
from lissome.core.machine import fingerprint
from lissome.core.text_table import render
from lissome.runtimes.protocol import Array, Option, Session, SessionDescription, SessionSettings
from lissome.runtimes.session_pool import SessionPool
from lissome.runtimes.table import RUNTIMES, get_runtime

_RETUNE = "time it again with `lissome build --retune {}`"

_WORTH_SAYING = 0.9
"""Share of a file's size below which its size in the archive is told, too."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A `.lissome` file that has been read and checked.

    Args:
        path: Where it was read or written.
        card: What the network is, how it was made, what was measured.
        contents: The engine files by name.
    """

    path: Path
    card: Card
    contents: Mapping[str, bytes] = field(repr=False)

    @property
    def runtimes(self) -> tuple[str, ...]:
        """The engines it has files for."""
        return tuple(self.card.engines)

    def size_kib(self, runtime: str) -> float:
        """Return the size of one engine's files as it reads them."""
        return sum(len(self.contents[name]) for name in self._entry(runtime).files) / 1024

    def stored_kib(self, runtime: str) -> float:
        """Return what one engine's files take in the artifact, where many zeros take next to nothing."""
        return sum(self.card.files[name].stored_bytes for name in self._entry(runtime).files) / 1024

    def extract(self, runtime: str, folder: str | os.PathLike[str]) -> tuple[Path, ...]:
        """Write one engine's files below a folder, as they go onto a device.

        Raises:
            UnknownNameError: The artifact has nothing for that engine.
        """
        paths = []
        for name in self._entry(runtime).files:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.contents[name])
            paths.append(path)
        return tuple(paths)

    def settings(self, runtime: str) -> SessionSettings:
        """Return how one engine runs it: as `build` found, else as it was exported, on one thread.

        Raises:
            UnknownNameError: The artifact has nothing for the engine.
        """
        entry, tuned = self._entry(runtime), self.card.tuning
        if tuned is None or tuned.engine != runtime:
            return SessionSettings(threads=1, precision=entry.precision, options=dict(entry.options))
        return SessionSettings(threads=tuned.threads, precision=tuned.precision, options=dict(tuned.options))

    def session(
        self,
        runtime: str | None = None,
        *,
        threads: int | None = None,
        precision: str | None = None,
        options: Mapping[str, Option] | None = None,
    ) -> "ArtifactSession":
        """Load the network in an engine.

        Args:
            runtime: One of `runtimes`; None takes the quickest that `build` found, else the first.
            threads: Threads of the engine, ≥ 1; None takes what `build` found for that engine, else 1.
            precision: What it must compute in; None takes what `build` found, else what was exported.
            options: Options of the engine; None takes what `build` found, else what was exported.

        Raises:
            UnknownNameError: The artifact has nothing for that engine.
            EngineMissingError: The engine is not installed; says the pip line.
            SettingError: A setting that the engine cannot honour.
        """
        name = runtime or (self.card.tuning.engine if self.card.tuning else self.runtimes[0])
        settings = self.settings(name)
        with tempfile.TemporaryDirectory(prefix="lissome-") as folder:  # engines read their files while loading
            self.extract(name, folder)
            inner = get_runtime(name).load(
                folder,
                threads=settings.threads if threads is None else threads,
                precision=precision or settings.precision,
                options=settings.options if options is None else options,
            )
        return ArtifactSession(inner, self.card)

    def _packed(self, runtime: str) -> bool:
        return any(self.card.files[name].packed_bytes is not None for name in self._entry(runtime).files)

    def _entry(self, runtime: str) -> EngineEntry:
        if runtime not in self.card.engines:
            raise UnknownNameError(
                f"has nothing for {runtime!r}", where=str(self.path), fix=f"it has {', '.join(self.runtimes)}"
            )
        return self.card.engines[runtime]

    def pool(
        self,
        sessions: int,
        runtime: str | None = None,
        *,
        threads: int | None = None,
        precision: str | None = None,
        options: Mapping[str, Option] | None = None,
    ) -> SessionPool:
        """Load the network several times, for callers that run at the same time.

        Args:
            sessions: How many, ≥ 1; as many callers run at once, the others wait for their turn.
            runtime: As in `session`, like the rest.
            threads: Threads of each session.
            precision: What each must compute in.
            options: Options of the engine.

        Raises:
            SettingError: There are no sessions, or a setting that the engine cannot honour.
        """
        if sessions < 1:
            raise SettingError(f"sessions is {sessions}", where="pool", fix="choose at least 1")
        each = [self.session(runtime, threads=threads, precision=precision, options=options) for _ in range(sessions)]
        return SessionPool(each)

    @property
    def remark(self) -> str | None:
        """Why what `build` found may not be the quickest here, or None."""
        tuned = self.card.tuning
        if tuned is None:
            return None
        if tuned.engine not in RUNTIMES:
            return f"{self.path} is tuned for {tuned.engine}, which this lissome does not know; update lissome"
        runtime = get_runtime(tuned.engine)
        if not runtime.available():
            return f"{self.path} is tuned for {tuned.engine}, which is not installed; {_RETUNE.format(self.path)}"
        if fingerprint(tuned.engine, runtime.version()) == tuned.fingerprint:
            return None
        return (
            f"{self.path} was tuned on {tuned.machine.get('cpu')} with {tuned.engine} "
            f"{self.card.engines[tuned.engine].version}, not on this machine; {_RETUNE.format(self.path)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return path and card as plain JSON values."""
        return {"path": str(self.path), **self.card.to_dict()}

    def __str__(self) -> str:
        card = self.card
        title = f"{card.name}: {card.params:,} params, {card.macs:,} MACs, compared on {card.samples}"
        rows = [
            (name, engine.version, engine.precision, f"{self.size_kib(name):.1f}", *_parity_cells(engine.parity))
            for name, engine in card.engines.items()
        ]
        columns = ("engine", "version", "precision", "KiB", "max rel", "cosine", "top-1")
        notes = [f"{name}: {engine.note}" for name, engine in card.engines.items() if engine.note]
        stored = {name: self.stored_kib(name) for name in self.runtimes if self._packed(name)}
        notes += [
            f"{name}: stored in {kib:.1f} KiB"
            for name, kib in stored.items()
            if kib < _WORTH_SAYING * self.size_kib(name)
        ]
        return "\n".join([render(columns, rows, title=title), *notes])


def _parity_cells(parity: Mapping[str, Any]) -> tuple[str, str, str]:
    outputs = parity.get("outputs", [])
    if not outputs:
        return ("", "", "")
    worst = max(outputs, key=lambda one: one["max_rel"])
    agreement = worst["top1_agreement"]
    return (f"{worst['max_rel']:.1e}", f"{worst['cosine']:.6f}", "" if agreement is None else f"{agreement:.1%}")


class ArtifactSession:
    """A network of an artifact, loaded in an engine. Made by `Artifact.session`; several threads may share it.

    Args:
        inner: The engine's session.
        card: The artifact's card.
    """

    def __init__(self, inner: Session, card: Card) -> None:
        self._inner, self._card = inner, card

    def run(self, *images: npt.NDArray[np.uint8] | Array) -> tuple[Array, ...]:
        """Return the outputs for raw pictures or for prepared input.

        Shape:
            images: One input: (N, rows, columns, channels) uint8, which the card's pre-processing is applied to, or
                (N, channels, rows, columns) float32, which is run as it is. Several inputs: float32 each.
                Returns one float32 array (N, …) an output.

        Raises:
            ShapeError: Another kind or shape.
        """
        shapes = self._card.input_shapes
        if len(images) != len(shapes):
            raise ShapeError(f"{len(images)} inputs were given", where="run", fix=f"give {len(shapes)}")
        prepared = [self._prepare(one, shape) for one, shape in zip(images, shapes, strict=True)]
        outputs = self._inner.run(*prepared)
        return tuple(
            _reshape(one, shape, self.describe().engine, free=self._card.free_sizes)
            for one, shape in zip(outputs, self._card.output_shapes, strict=True)
        )

    def warm_up(self, runs: int = 3) -> Self:
        """Run zeros a few times, so that the first picture takes no longer than the others; return self.

        Raises:
            SettingError: runs is below 1.
        """
        if runs < 1:
            raise SettingError(f"runs is {runs}", where="warm_up", fix="choose at least 1")
        zeros = [np.zeros((1, *shape), np.float32) for shape in self._card.input_shapes]
        for _ in range(runs):
            self._inner.run(*zeros)
        return self

    def describe(self) -> SessionDescription:
        """Return engine, version, precision and threads."""
        return self._inner.describe()

    def _prepare(self, images: npt.NDArray[Any], shape: tuple[int, ...]) -> Array:
        free, preprocessing = self._card.free_sizes, self._card.preprocessing
        if images.dtype == np.uint8 and preprocessing is not None:
            if free and images.ndim == 4:
                preprocessing = replace(preprocessing, height=images.shape[1], width=images.shape[2])
            images = preprocessing.apply(images)
        fits = images.shape[1:] == shape or (free and images.ndim == 4 and images.shape[1] == shape[0])
        if images.dtype != np.float32 or not fits or 0 in images.shape:
            sides = (shape[0], "rows", "columns") if free else shape
            wanted = "N x " + " x ".join(map(str, sides)) + " float32"
            raw = ", or raw pictures N x rows x columns x channels uint8" if self._card.preprocessing else ""
            given = "x".join(map(str, images.shape)) or "a single number"
            raise ShapeError(f"images are {given} {images.dtype}", where="run", fix=f"give {wanted}{raw}")
        return np.ascontiguousarray(images)


def _reshape(output: Array, shape: tuple[int, ...], engine: str, *, free: bool) -> Array:
    """Give an output the source network's shape: ncnn drops dimensions of 1."""
    if output[0].size == math.prod(shape):
        return output.reshape(len(output), *shape)
    if not free:
        raise EngineError(f"{engine} returned {output.shape[1:]} where the card says {shape}")
    # Another size than the card's: what was lost are leading dimensions of 1.
    return output.reshape(len(output), *(1,) * (len(shape) - output.ndim + 1), *output.shape[1:])


def read_artifact(path: str | os.PathLike[str]) -> Artifact:
    """Read an artifact and check every byte of it, wherever it was tuned.

    Args:
        path: A `.lissome` file.

    Raises:
        BadArtifactError: As `load`.
    """
    return Artifact(Path(path), *read_archive(path))


def load(path: str | os.PathLike[str]) -> Artifact:
    """Read an artifact and check every byte of it; warn if it was tuned on another machine.

    Args:
        path: A `.lissome` file.

    Raises:
        BadArtifactError: It is corrupt, truncated, hostile, or of an unknown format; says which.
    """
    artifact = read_artifact(path)
    if artifact.remark:
        warnings.warn(artifact.remark, stacklevel=2)
    return artifact
