"""Measured times of layers by their widths: an engine's staircase, as a file."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import nn

from lissome.core.errors import BadDataError, SettingError
from lissome.core.files import write_text
from lissome.core.settings import key_of
from lissome.profiling.layer_kinds import LayerKind, kinds_in
from lissome.profiling.profile import Profile

Cells = Mapping[tuple[int, int], float]
"""Milliseconds by the channels read and made."""


@dataclass(frozen=True, kw_only=True)
class LayerTimes:
    """What a table holds.

    Args:
        engine: The engine.
        engine_version: Its version.
        precision: What it computed in.
        machine: What it ran on.
        networks: Milliseconds of whole networks measured with the layers, by `structure_key`.
        kinds: For each kind of layer, milliseconds of one call by channels read and made.
    """

    engine: str
    engine_version: str
    precision: str
    machine: Mapping[str, Any]
    networks: Mapping[str, float]
    kinds: Mapping[LayerKind, Cells]

    def to_dict(self) -> dict[str, Any]:
        """Return the table as plain JSON values."""
        kinds = [
            {**kind.to_dict(), "ms": [[*widths, ms] for widths, ms in sorted(cells.items())]}
            for kind, cells in sorted(self.kinds.items())
        ]
        names = ("engine", "engine_version", "precision", "machine", "networks")
        return {name: getattr(self, name) for name in names} | {"kinds": kinds}

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> "LayerTimes":
        """Return what `to_dict` wrote."""
        kinds = {
            LayerKind.from_dict({name: one for name, one in entry.items() if name != "ms"}): {
                (int(reads), int(makes)): float(ms) for reads, makes, ms in entry["ms"]
            }
            for entry in table["kinds"]
        }
        return cls(**{**table, "kinds": kinds})

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the table, whole or not at all."""
        write_text(path, json.dumps(self.to_dict(), indent=1) + "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyTable:
    """A file of measured layer times, as a setting: what `measure_layers` wrote.

    Args:
        path: The .json file.
        digest: Hash of its contents, which a recipe keeps so that it means the same later; "" takes the file as it is.

    Raises:
        BadDataError: The file is absent, is no such table, or is not the one with this digest.
    """

    path: str
    digest: str = ""

    def __post_init__(self) -> None:
        actual = _digest(self.path)
        if self.digest not in ("", actual):
            raise BadDataError(
                f"has the digest {actual}, not {self.digest}", where=self.path, fix="measure again, or drop the digest"
            )
        object.__setattr__(self, "digest", actual)
        self.times()

    def times(self) -> LayerTimes:
        """Return what the file holds."""
        return _read(self.path, self.digest)

    def lookup(self, kind: LayerKind, reads: int, makes: int) -> float:
        """Return the milliseconds of one call.

        A width that was not measured takes the time of the quickest measured layer that is at least as wide: engines
        pad to their next block.

        Args:
            kind: Kind of the layer.
            reads: Channels of its input.
            makes: Channels of its output.

        Raises:
            SettingError: The table knows no layer of this kind that is as wide.
        """
        cells = self.times().kinds.get(kind, {})
        if (reads, makes) in cells:
            return cells[reads, makes]
        wider = [ms for (one, other), ms in cells.items() if one >= reads and other >= makes]
        if not wider:
            raise SettingError(
                f"knows no layer {kind} from {reads} to {makes} channels",
                where=self.path,
                fix="measure the table with this network",
            )
        return min(wider)


def structure_key(model: nn.Module, cost: Profile) -> str:
    """Return a hash of a network's convolutions and fully connected layers, equal however its code is written."""
    return key_of([(str(kind), reads, makes) for _, kind, reads, makes in kinds_in(model, cost)])


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise BadDataError(f"cannot be read: {error.strerror}", where=path, fix="measure a table") from error


@lru_cache(maxsize=16)
def _read(path: str, digest: str) -> LayerTimes:
    del digest  # a part of the cache's key: a changed file is read again
    try:
        return LayerTimes.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadDataError("is no table of layer times", where=path, fix="measure a table") from error
