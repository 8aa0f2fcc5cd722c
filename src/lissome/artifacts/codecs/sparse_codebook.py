"""Deep Compression whole: Huffman codes of the distances between words that are not zero, and of their values."""

import struct

import numpy as np

from lissome.artifacts.codecs.codebook import look_up, read_values, split, write_values
from lissome.artifacts.codecs.codec import Codec, Words, damaged
from lissome.artifacts.codecs.huffman import decode_bytes, encode_bytes
from lissome.artifacts.codecs.huffman_codebook import MOST_VALUES
from lissome.artifacts.codecs.relative_index import distances, places_of

_HEAD = struct.Struct("<III")
"""Number of distances, of words that are not zero, and bytes of the coded distances."""


class SparseCodebook(Codec):
    """For k of n words that are not zero: k distances and k places, each in its Huffman code. Below a bit a word.

    Source:
        Han, Mao and Dally 2016, Deep Compression, arXiv:1510.00149, sections 2 to 4.

    Example:
        >>> words = np.zeros(10_000, np.uint32)
        >>> words[::10], words[::20] = 7, 9
        >>> len(SparseCodebook().encode(words)), words.nbytes
        (356, 40000)
    """

    def encode(self, words: Words) -> bytes | None:
        """Return values, distances and places; None where there are too many values."""
        places = words.nonzero()[0]
        found = split(words[places])
        if found is None or len(found[0]) > MOST_VALUES:
            return None
        values, indices = found
        codes = distances(places)
        coded = encode_bytes(codes.tobytes())
        head = _HEAD.pack(len(codes), len(places), len(coded))
        return head + write_values(values) + coded + encode_bytes(indices.astype(np.uint8).tobytes())

    def decode(self, data: bytes, count: int, dtype: np.dtype[np.unsignedinteger]) -> Words:
        """Put the values in their places."""
        if len(data) < _HEAD.size:
            raise damaged("it has no head")
        length, nonzero, coded = _HEAD.unpack_from(data)
        values, start = read_values(data[_HEAD.size :], dtype)
        start += _HEAD.size
        if nonzero > count or length > count + nonzero or coded > len(data) - start:
            raise damaged("a word lies behind the end")
        codes = np.frombuffer(decode_bytes(data[start : start + coded], length), np.uint8)
        places = places_of(codes, count)
        if len(places) != nonzero:
            raise damaged("its distances and its words do not agree")
        indices = np.frombuffer(decode_bytes(data[start + coded :], nonzero), np.uint8)
        words = np.zeros(count, dtype)
        words[places] = look_up(values, indices)
        return words
