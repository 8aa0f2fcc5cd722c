"""Where the tensors lie in a file, so that each is packed by itself: ONNX and safetensors."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

SMALLEST = 512
"""Bytes of a tensor below which a head and a codebook of its own do not pay."""

_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_INITIALIZER = 7, 1, 5
_NODE_ATTRIBUTE, _ATTRIBUTE_TENSOR, _TENSOR_NAME, _TENSOR_RAW = 5, 5, 8, 9
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a file.

    Args:
        start: Its first byte.
        stop: The byte behind its last.
        tensor: Name of the tensor that it holds; None for what lies between tensors.
    """

    start: int
    stop: int
    tensor: str | None = None


def stretches_of(name: str, data: bytes, smallest: int = SMALLEST) -> tuple[Stretch, ...] | None:
    """Return a file's stretches in order, without gaps; None where its tensors cannot be found.

    Args:
        name: Of the file; its ending says the format.
        data: The file.
        smallest: Bytes of a tensor from which it is a stretch of its own.

    Example:
        >>> import numpy as np, safetensors.numpy
        >>> file = safetensors.numpy.save({"w": np.ones(1000, np.float32)})
        >>> [(one.stop - one.start, one.tensor) for one in stretches_of("a.safetensors", file)]
        [(72, None), (4000, 'w')]
    """
    finder = {"onnx": _in_onnx, "safetensors": _in_safetensors}.get(name.rpartition(".")[2])
    if finder is None:
        return None
    try:
        found = sorted(finder(data), key=lambda one: one.start)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return None  # no such file after all; it is packed in even pieces
    whole, place = [], 0
    for one in found:
        if one.stop - one.start < smallest:
            continue
        if not place <= one.start < one.stop <= len(data):
            return None
        whole += [Stretch(place, one.start)] * (one.start > place) + [one]
        place = one.stop
    return (*whole, *[Stretch(place, len(data))] * (place < len(data)))


def _in_safetensors(data: bytes) -> Iterator[Stretch]:
    length = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + length])
    for name, entry in table.items():
        if name != "__metadata__":
            start, stop = entry["data_offsets"]
            yield Stretch(8 + length + start, 8 + length + stop, name)


def _in_onnx(data: bytes) -> Iterator[Stretch]:
    for number, start, stop in _fields(data, 0, len(data)):
        if number == _MODEL_GRAPH:
            for part, first, last in _fields(data, start, stop):
                if part == _GRAPH_INITIALIZER:
                    yield from _in_tensor(data, first, last)
                elif part == _GRAPH_NODE:
                    yield from _in_constants(data, first, last)


def _in_constants(data: bytes, start: int, stop: int) -> Iterator[Stretch]:
    for number, first, last in _fields(data, start, stop):
        if number == _NODE_ATTRIBUTE:
            for part, begin, end in _fields(data, first, last):
                if part == _ATTRIBUTE_TENSOR:
                    yield from _in_tensor(data, begin, end)


def _in_tensor(data: bytes, start: int, stop: int) -> Iterator[Stretch]:
    parts = {number: (first, last) for number, first, last in _fields(data, start, stop)}
    if _TENSOR_RAW in parts:
        first, last = parts.get(_TENSOR_NAME, (0, 0))
        yield Stretch(*parts[_TENSOR_RAW], data[first:last].decode())


def _fields(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and stop of each field of a protobuf message that has a length."""
    place = start
    while place < stop:
        key, place = _varint(data, place)
        kind = key & 7
        if kind == _BYTES:
            length, place = _varint(data, place)
            yield key >> 3, place, place + length
            place += length
        elif kind == _VARINT:
            _, place = _varint(data, place)
        elif kind in (_FIXED64, _FIXED32):
            place += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(kind)
    if place != stop:
        raise ValueError(place)


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value, place
        shift += 7
