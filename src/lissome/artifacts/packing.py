"""Files in less space where they hold many zeros, restored to the byte.

A packed file is a mark and pieces: each a stretch of the file and the codec that made it shortest. Pieces need no
knowledge of the format: words of 4, 2 and 1 bytes are tried, where most of them are zero. Engines need their files
whole, so they are packed in the archive only.
"""

import struct
from collections.abc import Iterator, Sequence

import numpy as np

from lissome.artifacts.codecs import CODECS, ShortFloats, Spaced, Words
from lissome.artifacts.codecs.codec import damaged

MARK = b"LSP1"
MOST_TIMES = 64
"""No packed file is this many times shorter than what it restores to, so that a small file cannot fill the memory."""

_PIECE = 1 << 16
_HEAD = struct.Struct("<BBBxII")
"""Codec, bytes a word, bytes before the first word, length of the stretch, length packed."""

_RAW = 0
_WIDTHS = (4, 2, 1)
_FEWEST_ZEROS = 1 / 8
_WORTH = 0.95
_FLOAT_CODECS = {32: Spaced.likely, 33: ShortFloats.likely}
_LEAST_LIKELY = 0.1


def pack(data: bytes, stretches: Sequence[tuple[int, int]] | None = None) -> bytes | None:
    """Return the file packed, or None where that saves less than 5 %.

    Args:
        data: The file.
        stretches: Where to part it, as (start, stop) in order, without gaps; None parts it evenly.

    Example:
        >>> len(pack(bytes(1000) + bytes(range(200)))), pack(bytes(range(1, 200))) is None
        (254, True)
    """
    places = stretches or [(start, min(start + _PIECE, len(data))) for start in range(0, len(data), _PIECE)]
    packed = b"".join([MARK, *_joined(_shortest(data[start:stop]) for start, stop in places)])
    return packed if len(packed) <= _WORTH * len(data) <= _WORTH * MOST_TIMES * len(packed) else None


def unpack(packed: bytes, size_bytes: int) -> bytes:
    """Return the file as it was.

    Args:
        packed: What `pack` returned.
        size_bytes: The length of the file; nothing longer is made.

    Raises:
        BadArtifactError: It is damaged, or restores to another length, or to more than `MOST_TIMES` its own.
    """
    if not packed.startswith(MARK):
        raise damaged("it has no mark")
    if size_bytes > MOST_TIMES * len(packed):
        raise damaged(f"it would restore to more than {MOST_TIMES} times its length")
    parts, place, total = [], len(MARK), 0
    while place < len(packed):
        if place + _HEAD.size > len(packed):
            raise damaged("it ends within a head")
        codec, width, before, length, packed_length = _HEAD.unpack_from(packed, place)
        place += _HEAD.size
        total += length
        if total > size_bytes or codec not in CODECS or width not in _WIDTHS or before >= width:
            raise damaged("a head is wrong")
        parts.append(_restored(packed[place : place + packed_length], codec, width, before, length))
        place += packed_length
    if place != len(packed) or total != size_bytes:
        raise damaged(f"it restores to {total} bytes instead of {size_bytes}")
    return b"".join(parts)


def _shortest(stretch: bytes) -> tuple[bytes, bytes]:
    """Return head and bytes of the codec that takes least."""
    best, head = _of_few_zeros(stretch)
    zeros = np.count_nonzero(np.frombuffer(stretch, np.uint8) == 0)
    if zeros < _FEWEST_ZEROS * len(stretch):
        return _HEAD.pack(*head, len(stretch), len(best)), best
    for width in _WIDTHS:
        before = max(
            range(min(width, len(stretch))), key=lambda start: np.count_nonzero(_words(stretch, width, start) == 0)
        )
        words = _words(stretch, width, before)
        ends = stretch[:before], stretch[before + words.nbytes :]
        for number, codec in CODECS.items():
            if number in _FLOAT_CODECS:
                continue
            packed = b"".join([*ends, codec.encode(words)])
            if len(packed) < len(best):
                best, head = packed, (number, width, before)
    return _HEAD.pack(*head, len(stretch), len(best)), best


def _of_few_zeros(stretch: bytes) -> tuple[bytes, tuple[int, int, int]]:
    """Return what is shortest of the bytes as they are and the codecs of floats, where a look says they may pay."""
    best, head = stretch, (_RAW, 1, 0)
    for before in range(min(4, len(stretch))):
        words = _words(stretch, 4, before)
        for number, likely in _FLOAT_CODECS.items():
            if likely(words) < _LEAST_LIKELY:
                continue
            ends = stretch[:before], stretch[before + words.nbytes :]
            packed = b"".join([*ends, CODECS[number].encode(words)])
            if len(packed) < len(best):
                best, head = packed, (number, 4, before)
    return best, head


def _words(stretch: bytes, width: int, before: int) -> Words:
    return np.frombuffer(stretch, f"<u{width}", (len(stretch) - before) // width, before)


def _joined(pieces: Iterator[tuple[bytes, bytes]]) -> Iterator[bytes]:
    for head, packed in pieces:
        yield head
        yield packed


def _restored(packed: bytes, codec: int, width: int, before: int, length: int) -> bytes:
    if length < before:
        raise damaged("a head is wrong")
    count, behind = divmod(length - before, width)
    if len(packed) < before + behind:
        raise damaged("it ends within a piece")
    ends = packed[:before], packed[before : before + behind]
    words = CODECS[codec].decode(packed[before + behind :], count, np.dtype(f"<u{width}"))
    return b"".join([ends[0], words.tobytes(), ends[1]])
