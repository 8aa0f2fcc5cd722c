"""What repeats itself, such as the structure of a graph with its names, by LZMA."""

import lzma

import numpy as np

from lissome.artifacts.codecs.codec import Codec, Words, damaged

_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 20}]


class Text(Codec):
    """LZMA2 without a container, dictionary of 1 MiB.

    Example:
        >>> len(Text().encode(np.frombuffer(b"stages.0.conv1.weight " * 100, np.uint8)))
        49
    """

    def encode(self, words: Words) -> bytes:
        """Return their bytes, compressed."""
        return lzma.compress(words.tobytes(), lzma.FORMAT_RAW, filters=_FILTERS)

    def decode(self, data: bytes, count: int, dtype: np.dtype[np.unsignedinteger]) -> Words:
        """Return as many words, never more."""
        size = count * dtype.itemsize
        decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS)
        try:
            restored = decoder.decompress(data, size)
            # An end mark follows the last byte, and is read only where more is asked for.
            more = b"" if decoder.eof else decoder.decompress(b"", 1)
        except (lzma.LZMAError, EOFError) as error:
            raise damaged(f"its text is wrong ({error})") from error
        if len(restored) != size or more or not decoder.eof or decoder.unused_data:
            raise damaged(f"its text does not end after {size} bytes")
        return np.frombuffer(restored, dtype)
