"""Lossless codecs for the words of a file: what a tensor takes on disk.

A new codec is one file and one line in CODECS; packing tries all of them and takes the shortest. Its number is written
into artifacts and never changes.
"""

from collections.abc import Mapping

from lissome.artifacts.codecs.bitmap import Bitmap
from lissome.artifacts.codecs.codec import Codec, Words
from lissome.artifacts.codecs.raw import Raw
from lissome.artifacts.codecs.relative_index import RelativeIndex
from lissome.artifacts.codecs.short_floats import ShortFloats
from lissome.artifacts.codecs.spaced import Spaced

__all__ = ["CODECS", "Bitmap", "Codec", "Raw", "RelativeIndex", "ShortFloats", "Spaced", "Words"]

CODECS: Mapping[int, Codec] = {0: Raw(), 1: Bitmap(), 2: RelativeIndex(), 32: Spaced(), 33: ShortFloats()}
"""By the number that stands in the file."""
