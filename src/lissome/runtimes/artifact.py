"""An artifact in the hands of its user: load it, choose an engine, run pictures."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lissome.artifacts.archive import read_archive
from lissome.artifacts.card import Card, EngineEntry
from lissome.core.errors import EngineError, ShapeError, UnknownNameError
from lissome.core.text_table import render
from lissome.runtimes.protocol import Array, Session, SessionDescription
from lissome.runtimes.table import get_runtime


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
        """Return the size of one engine's files."""
        return sum(len(self.contents[name]) for name in self._entry(runtime).files) / 1024

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

    def session(self, runtime: str, *, threads: int = 1, precision: str | None = None) -> "ArtifactSession":
        """Load the network in an engine.

        Args:
            runtime: One of `runtimes`.
            threads: Threads of the engine, ≥ 1.
            precision: What it must compute in; None takes what was exported.

        Raises:
            UnknownNameError: The artifact has nothing for that engine.
            EngineMissingError: The engine is not installed; says the pip line.
            SettingError: A setting that the engine cannot honour.
        """
        self._entry(runtime)
        with tempfile.TemporaryDirectory(prefix="lissome-") as folder:  # engines read their files while loading
            self.extract(runtime, folder)
            inner = get_runtime(runtime).load(folder, threads=threads, precision=precision)
        return ArtifactSession(inner, self.card)

    def _entry(self, runtime: str) -> EngineEntry:
        if runtime not in self.card.engines:
            raise UnknownNameError(
                f"has nothing for {runtime!r}", where=str(self.path), fix=f"it has {', '.join(self.runtimes)}"
            )
        return self.card.engines[runtime]

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
        return "\n".join([render(columns, rows, title=title), *notes])


def _parity_cells(parity: Mapping[str, Any]) -> tuple[str, str, str]:
    outputs = parity.get("outputs", [])
    if not outputs:
        return ("", "", "")
    worst = max(outputs, key=lambda one: one["max_rel"])
    agreement = worst["top1_agreement"]
    return (f"{worst['max_rel']:.1e}", f"{worst['cosine']:.6f}", "" if agreement is None else f"{agreement:.1%}")


class ArtifactSession:
    """A network of an artifact, loaded in an engine. Made by `Artifact.session`.

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
            _reshape(one, shape, self.describe().engine)
            for one, shape in zip(outputs, self._card.output_shapes, strict=True)
        )

    def describe(self) -> SessionDescription:
        """Return engine, version, precision and threads."""
        return self._inner.describe()

    def _prepare(self, images: npt.NDArray[Any], shape: tuple[int, ...]) -> Array:
        if images.dtype == np.uint8 and self._card.preprocessing is not None:
            images = self._card.preprocessing.apply(images)
        if images.dtype != np.float32 or images.shape[1:] != shape or len(images) == 0:
            wanted = "N x " + " x ".join(map(str, shape)) + " float32"
            raw = ", or raw pictures N x rows x columns x channels uint8" if self._card.preprocessing else ""
            given = "x".join(map(str, images.shape)) or "a single number"
            raise ShapeError(f"images are {given} {images.dtype}", where="run", fix=f"give {wanted}{raw}")
        return np.ascontiguousarray(images)


def _reshape(output: Array, shape: tuple[int, ...], engine: str) -> Array:
    """Give an output the source network's shape: ncnn drops dimensions of 1."""
    if output[0].size != int(np.prod(shape)):
        raise EngineError(f"{engine} returned {output.shape[1:]} where the card says {shape}")
    return output.reshape(len(output), *shape)


def load(path: str | os.PathLike[str]) -> Artifact:
    """Read an artifact and check every byte of it.

    Args:
        path: A `.lissome` file.

    Raises:
        BadArtifactError: It is corrupt, truncated, hostile, or of an unknown format; says which.
    """
    card, contents = read_archive(path)
    return Artifact(Path(path), card, contents)
