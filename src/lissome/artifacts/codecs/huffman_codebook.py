"""A codebook whose places are Huffman-coded."""

import numpy as np

from lissome.artifacts.codecs.codebook import look_up, read_values, split, write_values
from lissome.artifacts.codecs.codec import Codec, Words
from lissome.artifacts.codecs.huffman import decode_bytes, encode_bytes

MOST_VALUES = 256


class HuffmanCodebook(Codec):
    """k ≤ 256 values, and for each word the Huffman code of its value: near the entropy, but at least one bit a word.

    Source:
        Han, Mao and Dally 2016, Deep Compression, arXiv:1510.00149, sections 3 and 4.

    Example:
        >>> words = np.array([7, 7, 7, 9] * 1000, np.uint32)
        >>> len(HuffmanCodebook().encode(words)), words.nbytes
        (643, 16000)
    """

    def encode(self, words: Words) -> bytes | None:
        """Return values and codes; None where there are too many values."""
        found = split(words)
        if found is None or len(found[0]) > MOST_VALUES:
            return None
        values, places = found
        return write_values(values) + encode_bytes(places.astype(np.uint8).tobytes())

    def decode(self, data: bytes, count: int, dtype: np.dtype[np.unsignedinteger]) -> Words:
        """Decode the places and look them up."""
        values, start = read_values(data, dtype)
        return look_up(values, np.frombuffer(decode_bytes(data[start:], count), np.uint8))
