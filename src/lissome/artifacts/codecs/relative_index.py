"""The number of zeros before each other word, in a byte."""

import struct

import numpy as np
import numpy.typing as npt

from lissome.artifacts.codecs.codec import Codec, Words, damaged

_SKIP = 255
_HEAD = struct.Struct("<I")


class RelativeIndex(Codec):
    """One byte of distance for each word that is not zero, and the word: about k · (1 + width) bytes for k of n words.

    Shorter than a bitmap where fewer than one word in eight is not zero. A byte of 255 passes over 255 zeros.

    Source:
        Han, Mao and Dally 2016, Deep Compression, arXiv:1510.00149, section 2 and figure 2, with 8 bits throughout
        and a skip in place of a filler word.

    Example:
        >>> list(RelativeIndex().encode(np.array([0, 0, 7, 9], np.uint8)))
        [2, 0, 0, 0, 2, 0, 7, 9]
    """

    def encode(self, words: Words) -> bytes:
        """Return the number of distances, the distances, and the words."""
        places = words.nonzero()[0]
        codes = distances(places)
        return _HEAD.pack(len(codes)) + codes.tobytes() + words[places].tobytes()

    def decode(self, data: bytes, count: int, dtype: np.dtype[np.unsignedinteger]) -> Words:
        """Put the words in their places."""
        if len(data) < _HEAD.size:
            raise damaged("it has no head")
        (length,) = _HEAD.unpack_from(data)
        codes = np.frombuffer(data[_HEAD.size : _HEAD.size + length], np.uint8)
        places = places_of(codes, count)
        rest = data[_HEAD.size + length :]
        if len(codes) != length or len(rest) != len(places) * dtype.itemsize:
            raise damaged("its distances and its words do not agree")
        words = np.zeros(count, dtype)
        words[places] = np.frombuffer(rest, dtype)
        return words


def distances(places: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Return the zeros before each place as bytes, 255 for 255 zeros and more to come."""
    gaps = np.diff(places, prepend=-1) - 1
    ends = np.cumsum(gaps // _SKIP + 1)
    codes = np.full(ends[-1] if len(ends) else 0, _SKIP, np.uint8)
    codes[ends - 1] = gaps % _SKIP
    return codes


def places_of(codes: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.int64]:
    """Return the places, each below `count`, that `distances` made bytes of.

    Raises:
        BadArtifactError: One lies behind the end.
    """
    ends_a_gap = codes != _SKIP
    places: npt.NDArray[np.int64] = (np.cumsum(codes.astype(np.int64) + ends_a_gap) - 1)[ends_a_gap]
    if len(places) and places[-1] >= count:
        raise damaged("a word lies behind the end")
    return places
