"""Few distinct words: a codebook of them, and for each word its place in it, in as many bits as that takes."""

import struct

import numpy as np
import numpy.typing as npt

from lissome.artifacts.codecs.codec import Codec, Words, damaged

MOST_VALUES = 4096
_SAMPLE = 4096
_HEAD = struct.Struct("<HB")
"""Number of values, and which of their bytes are not zero throughout, a bit each."""

Places = npt.NDArray[np.uint16]


class Codebook(Codec):
    """k values and n places of ceil(log2 k) bits: n · bits / 8 + k · width bytes for n words.

    Source:
        Han, Mao and Dally 2016, Deep Compression, arXiv:1510.00149, section 3, equation 1.

    Example:
        >>> list(Codebook().encode(np.array([7, 9, 9, 7, 7, 7, 9, 9], np.uint8)))
        [2, 0, 1, 7, 9, 198]
    """

    def encode(self, words: Words) -> bytes | None:
        """Return the values and the places, lowest bit first; None where there are too many values to save a bit."""
        found = split(words)
        if found is None:
            return None
        values, places = found
        bits = _bits(len(values))
        if bits >= 8 * words.itemsize:
            return None
        columns = (places[:, None] >> np.arange(bits, dtype=np.uint16)) & 1
        return write_values(values) + np.packbits(columns.astype(np.uint8), bitorder="little").tobytes()

    def decode(self, data: bytes, count: int, dtype: np.dtype[np.unsignedinteger]) -> Words:
        """Look every place up."""
        values, start = read_values(data, dtype)
        bits = _bits(len(values))
        if len(data) - start != (count * bits + 7) // 8:
            raise damaged(f"its places are not {count}")
        if bits == 0:
            return look_up(values, np.zeros(count, np.uint8))
        found = np.unpackbits(np.frombuffer(data, np.uint8, offset=start), bitorder="little")
        if found[count * bits :].any():
            raise damaged("it has more bits than words")
        columns = found[: count * bits].reshape(count, bits)
        places = np.packbits(columns[:, :8], axis=1, bitorder="little")[:, 0].astype(np.uint16)
        if bits > 8:
            places |= np.packbits(columns[:, 8:], axis=1, bitorder="little")[:, 0].astype(np.uint16) << np.uint16(8)
        return look_up(values, places)


def split(words: Words) -> tuple[Words, Places] | None:
    """Return the distinct words in order and the place of each word among them; None where they are too many."""
    if len(words) == 0:
        return words, np.zeros(0, np.uint16)
    if words.itemsize <= 2:
        return _split_by_counting(words)
    sample = words[:: len(words) // _SAMPLE + 1]
    if len(words) > _SAMPLE and len(np.unique(sample)) > len(sample) // 2:
        return None  # no use in sorting all of them
    values, places = np.unique(words, return_inverse=True)
    return (values, places.astype(np.uint16)) if len(values) <= MOST_VALUES else None


def _split_by_counting(words: Words) -> tuple[Words, Places] | None:
    """Do what `split` does for short words, of which there are so few kinds that nothing need be sorted."""
    counts = np.bincount(words, minlength=1 << 8 * words.itemsize)
    values = counts.nonzero()[0]
    if len(values) > MOST_VALUES:
        return None
    places = np.zeros(len(counts), np.uint16)
    places[values] = np.arange(len(values), dtype=np.uint16)
    return values.astype(words.dtype), places[words]


def write_values(values: Words) -> bytes:
    """Return a codebook: its length, and its bytes plane by plane without the planes of zeros.

    Centroids in bfloat16 are float32 whose two lower bytes are zero, and take two bytes each.
    """
    planes = values.view(np.uint8).reshape(-1, values.itemsize).T
    kept = [place for place, plane in enumerate(planes) if plane.any()]
    return _HEAD.pack(len(values), sum(1 << place for place in kept)) + planes[kept].tobytes()


def read_values(data: bytes, dtype: np.dtype[np.unsignedinteger]) -> tuple[Words, int]:
    """Return a codebook and where it ends.

    Raises:
        BadArtifactError: It is longer than the data, or of wider words.
    """
    if len(data) < _HEAD.size:
        raise damaged("it has no codebook")
    count, mask = _HEAD.unpack_from(data)
    kept = [place for place in range(8) if mask >> place & 1]
    end = _HEAD.size + count * len(kept)
    if count > MOST_VALUES or end > len(data) or (kept and kept[-1] >= dtype.itemsize):
        raise damaged("its codebook is too long")
    planes = np.zeros((dtype.itemsize, count), np.uint8)
    planes[kept] = np.frombuffer(data, np.uint8, count * len(kept), _HEAD.size).reshape(len(kept), count)
    return np.ascontiguousarray(planes.T).view(dtype).reshape(count), end


def look_up(values: Words, places: npt.NDArray[np.unsignedinteger]) -> Words:
    """Return the word at each place.

    Raises:
        BadArtifactError: A place lies behind the codebook.
    """
    if len(places) and int(places.max()) >= len(values):
        raise damaged("a place lies behind its codebook")
    found: Words = values[places]
    return found


def _bits(count: int) -> int:
    return max(0, count - 1).bit_length()
