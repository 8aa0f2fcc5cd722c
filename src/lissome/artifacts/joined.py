"""A file with known tensors in one text and one piece a tensor: nothing that lies between has a head of its own.

What lies between the tensors (the structure of a graph, names) is one stream, and so are the tensors too small for a
codebook, their bytes plane by plane, since the exponents of floats are alike where their last bits are not. Both are
compressed as text, after a directory that says how to put the file together again.
"""

import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lissome.artifacts.codecs.codec import damaged
from lissome.artifacts.codecs.text import Text
from lissome.artifacts.packing import MOST_TIMES, Piece, restored, shortest
from lissome.artifacts.tensors import Stretch

MARK = b"LSP2"
_HEAD = struct.Struct("<IIIII")
"""Stretches, bytes between, bytes of small tensors, length of the text unpacked, length packed."""

_ROW = np.dtype(
    [("kind", "u1"), ("codec", "u1"), ("width", "u1"), ("before", "u1"), ("length", "<u4"), ("packed", "<u4")]
)
_BETWEEN, _SMALL, _PIECE = range(3)
_PLANE = 4


def pack_joined(data: bytes, stretches: Sequence[Stretch], smallest: int) -> bytes:
    """Return a file packed.

    Args:
        data: The file.
        stretches: Its parts in order, without gaps; tensors have names.
        smallest: Bytes of a tensor from which it gets a piece of its own.
    """
    rows = np.zeros(len(stretches), _ROW)
    between, small, pieces = [], [], list[Piece]()
    for row, one in zip(rows, stretches, strict=True):
        part = data[one.start : one.stop]
        row["length"] = len(part)
        if one.tensor is None:
            between.append(part)
        elif len(part) < smallest:
            row["kind"] = _SMALL
            small.append(part)
        else:
            piece = shortest(part)
            pieces.append(piece)
            row["kind"], row["codec"], row["width"] = _PIECE, piece.codec, piece.width
            row["before"], row["packed"] = piece.before, len(piece.packed)
    joined, planes = b"".join(between), _to_planes(b"".join(small))
    # Column by column, what is alike stands together.
    directory = b"".join(rows[name].tobytes() for name in rows.dtype.names or ())
    text = directory + joined + planes
    packed = Text().encode(np.frombuffer(text, np.uint8))
    head = _HEAD.pack(len(rows), len(joined), len(planes), len(text), len(packed))
    return b"".join([MARK, head, packed, *(one.packed for one in pieces)])


def unpack_joined(packed: bytes, size_bytes: int) -> bytes:
    """Return the file as it was.

    Args:
        packed: What `pack_joined` returned.
        size_bytes: The length of the file; nothing longer is made.

    Raises:
        BadArtifactError: It is damaged, or restores to another length, or to more than `MOST_TIMES` its own.
    """
    start = len(MARK) + _HEAD.size
    if not packed.startswith(MARK) or len(packed) < start:
        raise damaged("it has no mark or ends within its head")
    if size_bytes > MOST_TIMES * len(packed):
        raise damaged(f"it would restore to more than {MOST_TIMES} times its length")
    count, between_bytes, small_bytes, text_bytes, packed_bytes = _HEAD.unpack_from(packed, len(MARK))
    # The directory belongs to the file too: no more of it than a file of that length can have stretches.
    if text_bytes != count * _ROW.itemsize + between_bytes + small_bytes or between_bytes + small_bytes > size_bytes:
        raise damaged("its head is wrong")
    if count > size_bytes or start + packed_bytes > len(packed):
        raise damaged("its head is wrong")
    text = Text().decode(packed[start : start + packed_bytes], text_bytes, np.dtype("u1")).tobytes()
    rows, place = np.zeros(count, _ROW), 0
    for name in _ROW.names or ():
        column = np.frombuffer(text, _ROW[name], count, place)
        rows[name], place = column, place + column.nbytes
    between = text[place : place + between_bytes]
    small = _from_planes(text[place + between_bytes :])
    return _put_together(rows, (between, small, packed[start + packed_bytes :]), size_bytes)


def _put_together(rows: npt.NDArray[np.void], streams: tuple[bytes, bytes, bytes], size_bytes: int) -> bytes:
    if int(rows["length"].sum(dtype=np.uint64)) != size_bytes:
        raise damaged(f"it does not restore to {size_bytes} bytes")
    places, parts = [0, 0, 0], []
    for kind, codec, width, before, length, packed in rows.tolist():
        if kind not in (_BETWEEN, _SMALL, _PIECE):
            raise damaged("its directory is wrong")
        taken = packed if kind == _PIECE else length
        part = streams[kind][places[kind] : places[kind] + taken]
        places[kind] += taken
        if len(part) != taken:
            raise damaged("it ends within a piece")
        parts.append(restored(part, codec, width, before, length) if kind == _PIECE else part)
    if places != [len(one) for one in streams]:
        raise damaged("it holds more than its directory says")
    return b"".join(parts)


def _to_planes(data: bytes) -> bytes:
    """Return the first byte of each word, then the second …; what fills no word at the end as it is."""
    words = np.frombuffer(data, np.uint8, len(data) // _PLANE * _PLANE).reshape(-1, _PLANE)
    return words.T.tobytes() + data[words.size :]


def _from_planes(data: bytes) -> bytes:
    planes = np.frombuffer(data, np.uint8, len(data) // _PLANE * _PLANE).reshape(_PLANE, -1)
    return planes.T.tobytes() + data[planes.size :]
