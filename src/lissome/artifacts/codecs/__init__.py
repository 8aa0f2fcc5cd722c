"""Lossless codecs for the words of a file: what a tensor takes on disk.

A new codec is one file and one line in CODECS; packing tries all of them and takes the shortest. Its number is written
into artifacts and never changes.
"""

from collections.abc import Mapping

from lissome.artifacts.codecs.bitmap import Bitmap
from lissome.artifacts.codecs.codebook import Codebook
from lissome.artifacts.codecs.codec import Codec, Words
from lissome.artifacts.codecs.huffman_codebook import HuffmanCodebook
from lissome.artifacts.codecs.raw import Raw
from lissome.artifacts.codecs.relative_index import RelativeIndex
from lissome.artifacts.codecs.short_floats import ShortFloats
from lissome.artifacts.codecs.spaced import Spaced
from lissome.artifacts.codecs.sparse_codebook import SparseCodebook
from lissome.artifacts.codecs.text import Text

__all__ = [
    "CODECS",
    "Bitmap",
    "Codebook",
    "Codec",
    "HuffmanCodebook",
    "Raw",
    "RelativeIndex",
    "ShortFloats",
    "Spaced",
    "SparseCodebook",
    "Text",
    "Words",
]

CODECS: Mapping[int, Codec] = {
    0: Raw(),
    1: Bitmap(),
    2: RelativeIndex(),
    3: Codebook(),
    4: HuffmanCodebook(),
    5: SparseCodebook(),
    6: Text(),
    32: Spaced(),
    33: ShortFloats(),
}
"""By the number that stands in the file."""
