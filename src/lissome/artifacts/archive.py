"""A `.lissome` file: a zip of `card.json` and the engine files, read as if it came from an enemy.

The zip compresses nothing, so that equal contents are equal bytes on every machine; time stamps are fixed for the same
reason. A file of many zeros or shared values is packed by us (`packing.py`) and restored to the byte; how much it can
grow is bounded.
"""

import hashlib
import io
import os
import re
import stat
import struct
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lissome.artifacts.card import FORMAT, Card, FileEntry, card_from_json
from lissome.artifacts.codecs.text import Text
from lissome.artifacts.joined import MARK as JOINED
from lissome.artifacts.joined import pack_joined, unpack_joined
from lissome.artifacts.packing import MOST_TIMES, pack, unpack
from lissome.artifacts.tensors import SMALLEST, stretches_of
from lissome.core.errors import BadArtifactError
from lissome.core.files import replacing

CARD = "card.json"
PACKED_CARD = "card.packed"
MOST_FILES = 256
MOST_BYTES = 4 << 30
_WHOLE_FROM = 3
"""Archives of this format and later are compared with their own rewriting, so that no byte of them can change."""

_CARD_HEAD = struct.Struct("<I")
_LARGE = 1 << 15
_CLEARLY = 0.01
_LONGEST_CARD = 64 << 20

_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can hold
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_DAMAGE = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError)


def write_archive(path: str | os.PathLike[str], card: Card, contents: Mapping[str, bytes]) -> Card:
    """Write an artifact whole or not at all.

    Args:
        path: The file to make.
        card: Its card; sizes and hashes are filled in.
        contents: The engine files by name, folders parted by "/".

    Returns:
        The card as written.

    Raises:
        SettingError: The card holds a value that JSON lacks.
    """
    packed = {name: _packed(name, data) for name, data in sorted(contents.items())}
    entries = {
        name: FileEntry(
            sha256=hashlib.sha256(contents[name]).hexdigest(),
            size_bytes=len(contents[name]),
            packed_bytes=None if data is None else len(data),
        )
        for name, data in packed.items()
    }
    written = replace(card, files=entries, format=FORMAT)
    stored = [(name, contents[name] if data is None else data) for name, data in packed.items()]
    members = [*_card_members(written, stored), *stored]
    with replacing(path) as temporary:
        _write_zip(temporary, members)
    return written


def _write_zip(target: Path | io.BytesIO, members: Iterable[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name, _TIME)
            info.create_system = 3  # Unix, whatever the machine, so that the bytes agree
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, data)


def read_archive(path: str | os.PathLike[str]) -> tuple[Card, dict[str, bytes]]:
    """Read an artifact and check every byte of it.

    Returns:
        The card, and the engine files by name.

    Raises:
        BadArtifactError: No such file, no zip, truncated, a name that leaves the archive, a link, too many files, a
            compressed member, a hash that does not agree, a file too many or too few, no card, or an unknown format.
    """
    try:
        return _read(Path(path))
    except BadArtifactError as error:
        raise BadArtifactError(
            f"{error.where} {error.what}" if error.where else error.what,
            where=os.fspath(path),
            fix=error.fix or "export it again or fetch a whole copy",
        ) from error
    except _DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadArtifactError(
            f"is corrupt, truncated or no artifact ({reason})",
            where=os.fspath(path),
            fix="export it again or fetch a whole copy",
        ) from error


def _packed(name: str, data: bytes) -> bytes | None:
    """Return a file by what makes it shortest; None where that saves little."""
    stretches = stretches_of(name, data)
    packed = pack(data, None if stretches is None else [(one.start, one.stop) for one in stretches])
    every = None if packed is None else stretches_of(name, data, smallest=1)
    joined = None if every is None else pack_joined(data, every, SMALLEST)
    if packed is None or joined is None or len(joined) >= len(packed) or len(data) > MOST_TIMES * len(joined):
        return packed
    return joined


def _restore(stored: bytes, size_bytes: int) -> bytes:
    return unpack_joined(stored, size_bytes) if stored.startswith(JOINED) else unpack(stored, size_bytes)


def _card_members(card: Card, stored: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Return the card as text, or as packed text where that makes a large archive of packed files clearly shorter."""
    text = card.to_json()
    whole = len(text) + sum(len(data) for _, data in stored)
    if whole < _LARGE or all(one.packed_bytes is None for one in card.files.values()):
        return [(CARD, text)]
    packed = _CARD_HEAD.pack(len(text)) + Text().encode(np.frombuffer(text, np.uint8))
    return [(PACKED_CARD, packed)] if len(text) - len(packed) > _CLEARLY * whole else [(CARD, text)]


def _card_text(contents: dict[str, bytes]) -> bytes:
    """Take the card out of the contents, and return it as JSON."""
    if CARD in contents and PACKED_CARD in contents:
        raise BadArtifactError("has two cards")
    if CARD in contents:
        return contents.pop(CARD)
    if PACKED_CARD not in contents:
        raise BadArtifactError(f"has no {CARD}, so it is no artifact")
    packed = contents.pop(PACKED_CARD)
    length = _CARD_HEAD.unpack_from(packed)[0] if len(packed) >= _CARD_HEAD.size else 0
    if not 0 < length <= min(MOST_TIMES * len(packed), _LONGEST_CARD):
        raise BadArtifactError("has a card of a length that none has")
    return Text().decode(packed[_CARD_HEAD.size :], length, np.dtype("u1")).tobytes()


def update_measurements(path: str | os.PathLike[str], table: Mapping[str, Any]) -> Card:
    """Add figures to the card of an artifact, which is written anew, whole or not at all.

    Args:
        path: The artifact.
        table: Figures by name with the unit; a name that is there already is replaced.

    Raises:
        BadArtifactError: The artifact cannot be read.
        SettingError: A figure cannot be written as JSON; the file stays as it was.
    """
    card, contents = read_archive(path)
    return write_archive(path, replace(card, measurements={**card.measurements, **table}), contents)


def _read(path: Path) -> tuple[Card, dict[str, bytes]]:
    if not path.is_file():
        raise BadArtifactError("no such file", fix="check the path")
    if path.stat().st_size > MOST_BYTES:
        raise BadArtifactError(f"is larger than {MOST_BYTES >> 30} GiB")
    data = path.read_bytes()  # once, so that what was checked is what is used
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        _check_members(members, len(data))
        contents = {member.filename: archive.read(member) for member in members}
    stored_members = list(contents.items())
    card = card_from_json(_card_text(contents))
    _check_names(card, contents)
    restored = {name: _restored(name, card.files[name], stored) for name, stored in contents.items()}
    if card.format >= _WHOLE_FROM:
        written = io.BytesIO()
        _write_zip(written, stored_members)
        if written.getvalue() != data:
            raise BadArtifactError("has a byte outside its files that was changed")
    return card, restored


def _check_members(members: list[zipfile.ZipInfo], archive_bytes: int) -> None:
    if len(members) > MOST_FILES:
        raise BadArtifactError(f"has {len(members)} files, more than {MOST_FILES}")
    if len({member.filename for member in members}) != len(members):
        raise BadArtifactError("has two files of one name")
    for member in members:
        if not _SAFE_NAME.fullmatch(member.filename):
            raise BadArtifactError(f"has a file named {member.filename[:80]!r}, which could leave the archive")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise BadArtifactError(f"has a link, {member.filename[:80]}")
        if member.compress_type != zipfile.ZIP_STORED:
            raise BadArtifactError(f"has a compressed file, {member.filename[:80]}, which an artifact never has")
    # Stored members that add up to more than the file overlap each other: the other way to build a bomb.
    if sum(member.file_size for member in members) > archive_bytes:
        raise BadArtifactError("says it holds more than its own length")


def _check_names(card: Card, contents: Mapping[str, bytes]) -> None:
    astray = sorted(set(card.files) ^ set(contents))
    if astray:
        raise BadArtifactError(f"{astray[0]!r} is in the card or in the archive, not in both")
    if card.samples_file is not None and card.samples_file not in contents:
        raise BadArtifactError(f"needs {card.samples_file!r}, which is not there")
    if card.tuning is not None and card.tuning.engine not in card.engines:
        raise BadArtifactError(f"is tuned for {card.tuning.engine!r}, which it has no files for")
    for engine, needs in card.engines.items():
        lost = sorted(set(needs.files) - set(contents))
        if lost:
            raise BadArtifactError(f"{engine} needs {lost[0]!r}, which is not there")
    if sum(entry.size_bytes for entry in card.files.values()) > MOST_BYTES:
        raise BadArtifactError(f"restores to more than {MOST_BYTES >> 30} GiB")


def _restored(name: str, entry: FileEntry, stored: bytes) -> bytes:
    """Return a file as the engine gets it, once its length and hash are what the card says."""
    right = len(stored) == entry.stored_bytes
    data = _restore(stored, entry.size_bytes) if right and entry.packed_bytes is not None else stored
    if not right or entry.size_bytes != len(data) or entry.sha256 != hashlib.sha256(data).hexdigest():
        raise BadArtifactError(f"{name} does not have the size and hash that the card says")
    return data
