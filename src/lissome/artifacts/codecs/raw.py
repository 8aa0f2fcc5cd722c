"""Words as they are."""

import numpy as np

from lissome.artifacts.codecs.codec import Codec, Words, damaged


class Raw(Codec):
    """Stores every word.

    Example:
        >>> list(Raw().encode(np.array([1, 0], np.uint16)))
        [1, 0, 0, 0]
    """

    def encode(self, words: Words) -> bytes:
        """Return their bytes."""
        return words.tobytes()

    def decode(self, data: bytes, count: int, dtype: np.dtype[np.unsignedinteger]) -> Words:
        """Return them as words."""
        if len(data) != count * dtype.itemsize:
            raise damaged(f"{len(data)} bytes are not {count} words")
        return np.frombuffer(data, dtype)
