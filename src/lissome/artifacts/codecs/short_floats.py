"""Floats that have only 16 bits of information in 16 bits."""

import numpy as np

from lissome.artifacts.codecs.codec import Codec, Words, damaged
from lissome.artifacts.codecs.raw import Raw

_BLOCK = 64
_SAMPLE = 2048
_RAW, _HALF, _UPPER = 0, 1, 2


class ShortFloats(Codec):
    """Blocks of 64 float32 words, each as float16 or as its upper half (bfloat16) where that gives the same word back.

    Example:
        >>> words = np.linspace(-1, 1, 640).astype(np.float16).astype(np.float32).view(np.uint32)
        >>> encoded = ShortFloats().encode(words)
        >>> len(encoded), np.array_equal(ShortFloats().decode(encoded, 640, words.dtype), words)
        (1290, True)
    """

    @staticmethod
    def likely(words: Words) -> float:
        """Return the share of words, out of a sample, that have 16 bits at most."""
        if words.dtype.itemsize != 4 or not len(words):
            return 0.0
        sample = words[:: len(words) // _SAMPLE + 1]
        return float((_as_half(sample)[1] | (sample & 0xFFFF == 0)).mean())

    def encode(self, words: Words) -> bytes:
        """Return a byte a block, and the blocks."""
        if words.dtype.itemsize != 4:
            return Raw().encode(words)
        half, exact = _as_half(words)
        kinds, parts = bytearray(), []
        for start in range(0, len(words), _BLOCK):
            place = slice(start, start + _BLOCK)
            if exact[place].all():
                kinds.append(_HALF)
                parts.append(half[place].tobytes())
            elif not (words[place] & 0xFFFF).any():
                kinds.append(_UPPER)
                parts.append((words[place] >> 16).astype("<u2").tobytes())
            else:
                kinds.append(_RAW)
                parts.append(words[place].tobytes())
        return bytes(kinds) + b"".join(parts)

    def decode(self, data: bytes, count: int, dtype: np.dtype[np.unsignedinteger]) -> Words:
        """Widen the blocks."""
        if dtype.itemsize != 4:
            return Raw().decode(data, count, dtype)
        blocks = -(-count // _BLOCK)
        if len(data) < blocks:
            raise damaged("its blocks are too few")
        place, parts = blocks, []
        for number, kind in enumerate(data[:blocks]):
            length = min(_BLOCK, count - number * _BLOCK)
            size = length * (4 if kind == _RAW else 2)
            chunk = data[place : place + size]
            if kind > _UPPER or len(chunk) < size:
                raise damaged("a block is wrong")
            place += size
            if kind == _RAW:
                parts.append(np.frombuffer(chunk, "<u4"))
            elif kind == _HALF:
                parts.append(np.frombuffer(chunk, "<f2").astype("<f4").view("<u4"))
            else:
                parts.append(np.frombuffer(chunk, "<u2").astype("<u4") << 16)
        if place != len(data):
            raise damaged("bytes are left over")
        return np.concatenate(parts) if parts else np.zeros(0, "<u4")


def _as_half(
    words: Words,
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float16]], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return words as float16, and which of them that keeps."""
    with np.errstate(all="ignore"):
        half = words.view("<f4").astype("<f2")
    return half, half.astype("<f4").view("<u4") == words
