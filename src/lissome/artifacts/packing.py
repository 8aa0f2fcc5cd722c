"""Files in less space where they hold many zeros or few distinct values, restored to the byte.

A packed file is a mark and pieces: each a stretch of the file and the codec that made it shortest. Where the tensors of
a file are known, each is a stretch; otherwise it is parted evenly. Words of 4, 2 and 1 bytes are tried. Engines need
their files whole, so they are packed in the archive only.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lissome.artifacts.codecs import CODECS, ShortFloats, Spaced, Words
from lissome.artifacts.codecs.codec import damaged

MARK = b"LSP1"
MOST_TIMES = 1024
"""No packed file is this many times shorter than what it restores to, so that a small file cannot fill the memory."""

_PIECE = 1 << 16
_HEAD = struct.Struct("<BBBxII")
"""Codec, bytes a word, bytes before the first word, length of the stretch, length packed."""

_RAW, _TEXT = 0, 6
_WIDTHS = (4, 2, 1)
_FEWEST_REPEATS = 1 / 8
_SAMPLE = 2048
_DENSE_BITS = 6.5
_TEXT_GAIN = 0.5
_WORTH = 0.95
_FLOAT_CODECS: Mapping[int, Callable[[Words], float]] = {32: Spaced.likely, 33: ShortFloats.likely}
_SPARSE_CODECS = (1, 2, 5)
_LEAST_LIKELY = 0.1


@dataclass(frozen=True, slots=True)
class Piece:
    """A packed stretch.

    Args:
        head: What stands before it.
        packed: Its bytes.
        codec: Number of the codec.
        width: Bytes a word.
        before: Bytes before the first word.
    """

    head: bytes
    packed: bytes
    codec: int
    width: int
    before: int

    @property
    def size_bytes(self) -> int:
        """What it takes in the file."""
        return len(self.head) + len(self.packed)


def pack(data: bytes, stretches: Sequence[tuple[int, int]] | None = None) -> bytes | None:
    """Return the file packed, or None where that saves less than 5 %.

    Args:
        data: The file.
        stretches: Where to part it, as (start, stop) in order, without gaps; None parts it evenly.

    Example:
        >>> len(pack(bytes(1000) + bytes(range(200)))), pack(bytes(range(1, 200))) is None
        (238, True)
    """
    places = stretches or [(start, min(start + _PIECE, len(data))) for start in range(0, len(data), _PIECE)]
    pieces = [shortest(data[start:stop]) for start, stop in places]
    packed = b"".join([MARK, *(part for one in pieces for part in (one.head, one.packed))])
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
        if total > size_bytes:
            raise damaged("a head is wrong")
        parts.append(restored(packed[place : place + packed_length], codec, width, before, length))
        place += packed_length
    if place != len(packed) or total != size_bytes:
        raise damaged(f"it restores to {total} bytes instead of {size_bytes}")
    return b"".join(parts)


def shortest(stretch: bytes) -> Piece:
    """Return the stretch by the codec that takes least."""
    best, (codec, width, before) = _of_few_zeros(stretch)
    for wide in _WIDTHS:
        start = _first_word(stretch, wide)
        words = _words(stretch, wide, start)
        if not _repeats(words):
            continue
        ends = stretch[:start], stretch[start + words.nbytes :]
        passed_over = {_RAW, _TEXT, *_FLOAT_CODECS, *(() if _has_zeros(words) else _SPARSE_CODECS)}
        for number, one in CODECS.items():
            encoded = None if number in passed_over else one.encode(words)
            packed = None if encoded is None else b"".join([*ends, encoded])
            if packed is not None and len(packed) < len(best):
                best, codec, width, before = packed, number, wide, start
    # It is slow to read, and made for names and structure, which it more than halves.
    if len(best) > _TEXT_GAIN * len(stretch) and _entropy_bits(stretch) < _DENSE_BITS:
        packed = CODECS[_TEXT].encode(_words(stretch, 1, 0))
        if packed is not None and len(packed) < _TEXT_GAIN * len(stretch):
            best, codec, width, before = packed, _TEXT, 1, 0
    return Piece(_HEAD.pack(codec, width, before, len(stretch), len(best)), best, codec, width, before)


def _of_few_zeros(stretch: bytes) -> tuple[bytes, tuple[int, int, int]]:
    """Return what is shortest of the bytes as they are and the codecs of floats, where a look says they may pay."""
    best, head = stretch, (_RAW, 1, 0)
    for before in range(min(4, len(stretch))):
        words = _words(stretch, 4, before)
        for number, likely in _FLOAT_CODECS.items():
            if likely(words) < _LEAST_LIKELY:
                continue
            ends = stretch[:before], stretch[before + words.nbytes :]
            encoded = CODECS[number].encode(words)
            packed = None if encoded is None else b"".join([*ends, encoded])
            if packed is not None and len(packed) < len(best):
                best, head = packed, (number, 4, before)
    return best, head


def _words(stretch: bytes, width: int, before: int) -> Words:
    return np.frombuffer(stretch, f"<u{width}", (len(stretch) - before) // width, before)


def _sample(words: Words) -> Words:
    return words[:: len(words) // _SAMPLE + 1]


def _first_word(stretch: bytes, width: int) -> int:
    """Return where words begin: with the most zeros, or where these are few, with the fewest distinct words."""
    samples = [_sample(_words(stretch, width, start)) for start in range(min(width, len(stretch)))]
    if not samples:
        return 0
    zeros = [int((one == 0).sum()) for one in samples]
    if max(zeros) >= _FEWEST_REPEATS * len(samples[0]):
        return zeros.index(max(zeros))
    return min(range(len(samples)), key=lambda start: len(np.unique(samples[start])))


def _repeats(words: Words) -> bool:
    """Tell whether words repeat each other, in a sample, often enough for a codec to be tried."""
    sample = _sample(words)
    return len(np.unique(sample)) <= (1 - _FEWEST_REPEATS) * len(sample)


def _has_zeros(words: Words) -> bool:
    """Tell whether a sample has zeros enough for a codec that leaves them out."""
    sample = _sample(words)
    return int((sample == 0).sum()) >= _FEWEST_REPEATS * len(sample)


def _entropy_bits(stretch: bytes) -> float:
    counts = np.bincount(np.frombuffer(stretch, np.uint8))
    shares = counts[counts > 0] / max(1, len(stretch))
    return float(-(shares * np.log2(shares)).sum())


def restored(packed: bytes, codec: int, width: int, before: int, length: int) -> bytes:
    """Return a stretch as it was.

    Raises:
        BadArtifactError: The bytes, or what is said of them, came from no stretch of that length.
    """
    if codec not in CODECS or width not in _WIDTHS or before >= width:
        raise damaged("a head is wrong")
    if length < before:
        raise damaged("a head is wrong")
    count, behind = divmod(length - before, width)
    if len(packed) < before + behind:
        raise damaged("it ends within a piece")
    ends = packed[:before], packed[before : before + behind]
    words = CODECS[codec].decode(packed[before + behind :], count, np.dtype(f"<u{width}"))
    return b"".join([ends[0], words.tobytes(), ends[1]])
