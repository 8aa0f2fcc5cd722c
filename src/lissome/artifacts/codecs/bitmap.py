"""One bit a word says whether it is zero; the others follow."""

import numpy as np

from lissome.artifacts.codecs.codec import Codec, Words, damaged


class Bitmap(Codec):
    """n bits, then the words that are not zero: n / 8 + k · width bytes for k of n words.

    Example:
        >>> list(Bitmap().encode(np.array([0, 7, 0, 0, 9], np.uint8)))
        [18, 7, 9]
    """

    def encode(self, words: Words) -> bytes:
        """Return the bits, lowest first, and the words."""
        nonzero = words != 0
        others: bytes = words[nonzero].tobytes()
        return np.packbits(nonzero, bitorder="little").tobytes() + others

    def decode(self, data: bytes, count: int, dtype: np.dtype[np.unsignedinteger]) -> Words:
        """Put the words in their places."""
        length = (count + 7) // 8
        bits = np.unpackbits(np.frombuffer(data[:length], np.uint8), bitorder="little")
        if len(bits) < count or bits[count:].any():
            raise damaged("its bits are too few, or more than its words")
        nonzero = bits[:count].astype(bool)
        if len(data) - length != int(nonzero.sum()) * dtype.itemsize:
            raise damaged("its bits and its words do not agree")
        words = np.zeros(count, dtype)
        words[nonzero] = np.frombuffer(data[length:], dtype)
        return words
