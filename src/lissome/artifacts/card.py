"""The card of an artifact: what the network is, how it was made, and what was measured."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lissome.core.errors import BadArtifactError, SettingError
from lissome.core.preprocessing import Preprocessing

FORMAT = 4
"""Version of the archive and its card; it changes when an older lissome could misread a newer file."""

READABLE = (1, 2, 3, 4)
"""Versions that are read: 1 had no packed files, 2 none of shared values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """What one file of the archive must be.

    Args:
        sha256: Hash of its bytes as the engine gets them, 64 hexadecimal digits.
        size_bytes: Its length, likewise.
        packed_bytes: Its length in the archive where it is packed there; None where it is stored as it is.
    """

    sha256: str
    size_bytes: int
    packed_bytes: int | None = None

    @property
    def stored_bytes(self) -> int:
        """Its length in the archive."""
        return self.size_bytes if self.packed_bytes is None else self.packed_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEntry:
    """What one engine gets, and the proof that it computes the same.

    Args:
        files: Names of its files in the archive.
        precision: What it computes in: "float32", "int8".
        version: Version of the engine that was compared.
        parity: The comparison with the source network.
        note: What a reader must know, such as why an engine got the float network; "" for nothing.
        options: Options of the engine that it was compared with, where they are not its defaults.
    """

    files: tuple[str, ...]
    precision: str
    version: str
    parity: Mapping[str, Any]
    note: str = ""
    options: Mapping[str, str | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The quickest way to run the network that was found on one machine.

    Args:
        engine: Name of the runtime.
        precision: What it computes in.
        threads: Threads of the engine.
        options: Options of the engine that are not its defaults.
        machine: What it was found on, as `describe_machine` gives it.
        fingerprint: Hash of that machine and of the engine's version.
        candidates: Every way that was tried: its latency, or why it was not taken.
    """

    engine: str
    precision: str
    threads: int
    options: Mapping[str, str | bool]
    machine: Mapping[str, Any]
    fingerprint: str
    candidates: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What travels with the engine files.

    Args:
        name: Name of the network.
        params: Number of parameters.
        macs: Multiply-adds for one image, or None where the network cannot be counted.
        input_shapes: Shape of each input for one image, without the batch.
        output_shapes: Shape of each output for one image, without the batch.
        engines: What each engine gets, by the runtime's name.
        samples: What the engines were compared on, in words.
        classes: Number of classes, or None.
        preprocessing: What turns pictures into the input, or None where nothing is known.
        recipe: The settings of the recipe as a table; empty for a network exported as it was.
        recipe_toml: The same as a recipe file, or None where it cannot be written as one.
        receipt: What each step changed and declined.
        measurements: Figures by name with the unit.
        versions: Versions of what made the artifact.
        seed: Whence all randomness came.
        samples_file: Name of the file with samples and the outputs expected of them, or None in old artifacts.
        free_sizes: Whether rows and columns of the input may be others than those of `input_shapes`.
        tuning: The quickest way to run it that was found, or None where nobody looked.
        created: When it was made, if the caller wants that in the file: it makes equal artifacts differ.
        files: Size and hash of each file; the archive fills it in.
        format: Version of the archive.
    """

    name: str
    params: int
    macs: int | None
    input_shapes: tuple[tuple[int, ...], ...]
    output_shapes: tuple[tuple[int, ...], ...]
    engines: Mapping[str, EngineEntry]
    samples: str
    classes: int | None = None
    preprocessing: Preprocessing | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    recipe_toml: str | None = None
    receipt: Mapping[str, Any] = field(default_factory=dict)
    measurements: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    samples_file: str | None = None
    free_sizes: bool = False
    tuning: Tuning | None = None
    created: str | None = None
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    format: int = FORMAT

    def to_dict(self) -> dict[str, Any]:
        """Return the card as plain JSON values."""
        table = asdict(self)
        table["preprocessing"] = self.preprocessing.to_dict() if self.preprocessing else None
        return table

    def to_json(self) -> bytes:
        """Return the card as JSON, equal bytes for equal cards.

        Raises:
            SettingError: A measurement is no number, text, list or table, or is NaN.
        """
        try:
            return json.dumps(self.to_dict(), indent=1, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise SettingError(
                f"a value cannot be written as JSON: {error}",
                where="card",
                fix="give finite numbers, text, lists and tables",
            ) from error


def card_from_json(text: bytes) -> Card:
    """Read what `Card.to_json` wrote.

    Raises:
        BadArtifactError: It is no card, or of a format that this version does not know.

    Example:
        >>> card_from_json(b'{"format": 99}')
        Traceback (most recent call last):
        lissome.core.errors.BadArtifactError: card: has format 99, this lissome reads 1, 2, 3 and 4; update lissome
    """
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadArtifactError("is no JSON", where="card") from error
    found = table.get("format") if isinstance(table, dict) else None
    if found not in READABLE:
        readable = f"{', '.join(map(str, READABLE[:-1]))} and {READABLE[-1]}"
        raise BadArtifactError(
            f"has format {found!r}, this lissome reads {readable}", where="card", fix="update lissome"
        )
    try:
        return _reader().validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadArtifactError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", where="card") from error
    except SettingError as error:  # pre-processing out of its range
        raise BadArtifactError(str(error), where="card") from error


@cache
def _reader() -> TypeAdapter[Card]:
    return TypeAdapter(Card)
