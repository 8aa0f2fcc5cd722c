"""Evenly spaced floats as small integers: what weights of few bits take on disk."""

import struct

import numpy as np
import numpy.typing as npt

from lissome.artifacts.codecs.codec import Codec, Words, damaged
from lissome.artifacts.codecs.raw import Raw

_RUN = struct.Struct("<HBff")
"""Words in the run, bits a word, the least value, the step."""

_RAW = 32
_WIDTHS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 16)
_SHORTEST = 24
_WINDOW = 1024
_MOST = 0xFFFF
_SAMPLES = 64
_MOST_SHIFT = 36  # 24 bits of mantissa and as many of shift stay within 63

Wide = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Spaced(Codec):
    """Runs of float32 words that are ``base + k · step`` with k of few bits; everything else as it is.

    Where a run begins and ends, its base, step and bits are found from the floats alone: the greatest common divisor
    of their differences is the step. A weight restored from b bits takes b bits, and a channel 11 bytes more.

    Example:
        >>> words = (np.float32(0.25) * np.tile(np.arange(-7, 8), 20).astype(np.float32)).view(np.uint32)
        >>> encoded = Spaced().encode(words)
        >>> len(encoded) < len(words.tobytes()) / 7, np.array_equal(Spaced().decode(encoded, 300, words.dtype), words)
        (True, True)
    """

    @staticmethod
    def likely(words: Words) -> float:
        """Return the share of short stretches, out of a sample, that are evenly spaced."""
        if words.dtype.itemsize != 4 or len(words) < _SHORTEST:
            return 0.0
        starts = np.linspace(0, len(words) - _SHORTEST, _SAMPLES).astype(np.int64)
        windows = words[starts[:, None] + np.arange(_SHORTEST)]
        sound, is_zero, whole, exponent = _parts(windows)
        highest = np.where(is_zero, -200, exponent).max(axis=1, keepdims=True)
        lowest = np.where(is_zero, 200, exponent).min(axis=1, keepdims=True)
        shift = np.where(is_zero, 0, np.minimum(exponent - lowest, _MOST_SHIFT))
        integers = whole << shift
        step = np.gcd.reduce(np.abs(integers - integers[:, :1]), axis=1)
        span = (integers.max(axis=1) - integers.min(axis=1)) // np.maximum(step, 1)
        fits = sound.all(axis=1) & (highest - lowest <= _MOST_SHIFT)[:, 0] & (span < 1 << _WIDTHS[-1])
        return float(fits.mean())

    def encode(self, words: Words) -> bytes:
        """Return heads and packed integers, run after run."""
        if words.dtype.itemsize != 4:
            return Raw().encode(words)
        parts: list[bytes] = []
        place, raw_from = 0, 0
        while place < len(words):
            length, bits = self._longest(words, place)
            packed = _packed(words[place : place + length], bits) if length >= _SHORTEST else None
            if packed is None:
                place += min(_SHORTEST, len(words) - place)
                continue
            parts += [*_raw_runs(words[raw_from:place]), packed]
            place += length
            raw_from = place
        return b"".join([*parts, *_raw_runs(words[raw_from:])])

    @staticmethod
    def _longest(words: Words, place: int) -> tuple[int, int]:
        window = _WINDOW
        while True:
            integers, length = _integers(words[place : place + window])
            run, bits = _run_of(integers)
            if run < length or run == 0 or window >= _MOST or place + window >= len(words):
                return run, bits
            window *= 8

    def decode(self, data: bytes, count: int, dtype: np.dtype[np.unsignedinteger]) -> Words:
        """Multiply out the runs."""
        if dtype.itemsize != 4:
            return Raw().decode(data, count, dtype)
        parts: list[Words] = []
        place = total = 0
        while place < len(data):
            if place + _RUN.size > len(data):
                raise damaged("it ends within a head")
            length, bits, base, step = _RUN.unpack_from(data, place)
            place += _RUN.size
            size = (length * bits + 7) // 8
            total += length
            if bits not in (*_WIDTHS, _RAW) or place + size > len(data) or total > count or length == 0:
                raise damaged("a run is wrong")
            chunk = np.frombuffer(data[place : place + size], np.uint8)
            place += size
            if bits == _RAW:
                parts.append(chunk.view("<u4"))
                continue
            with np.errstate(all="ignore"):  # a forged head may hold anything
                values = np.float64(base) + _unpacked(chunk, bits, length) * np.float64(step)
                parts.append(values.astype("<f4").view("<u4"))
        if total != count:
            raise damaged(f"{total} words instead of {count}")
        return np.concatenate(parts) if parts else np.zeros(0, "<u4")


def _integers(words: Words) -> tuple[Wide, int]:
    """Return floats as integers over a common power of two, up to the first that does not go with those before it."""
    sound, is_zero, whole, exponent = _parts(words)
    exponent = np.where(is_zero, 127, exponent)
    lowest = np.minimum.accumulate(exponent)
    highest = np.maximum.accumulate(np.where(is_zero, -200, exponent))
    right = sound & ((highest - lowest <= _MOST_SHIFT) | (highest == -200))
    length = len(words) if right.all() else int(right.argmin())
    if length == 0:
        return np.zeros(0, np.int64), 0
    shift = exponent[:length] - lowest[length - 1]
    return whole[:length] << np.where(is_zero[:length], 0, shift), length


def _parts(words: Words) -> tuple[Flags, Flags, Wide, Wide]:
    """Return which floats can be stored, which are zero, their mantissas as integers, and their exponents."""
    values = words.view("<f4")
    is_zero = values == 0
    sound = np.isfinite(values) & ~(is_zero & (words != 0))
    mantissa, exponent = np.frexp(np.where(sound, values, 0).astype(np.float64))
    return sound, is_zero, (mantissa * 2.0**24).astype(np.int64), exponent.astype(np.int64)


def _run_of(integers: Wide) -> tuple[int, int]:
    """Return how many of the first integers are worth storing as a run, and in how many bits."""
    if len(integers) < _SHORTEST:
        return 0, 0
    step = np.gcd.accumulate(np.abs(integers - integers[0]))
    span = np.maximum.accumulate(integers) - np.minimum.accumulate(integers)
    ratio = span // np.maximum(step, 1)
    lengths = {bits: int(np.searchsorted(np.maximum.accumulate(ratio), 1 << bits)) for bits in _WIDTHS}
    found = {bits: length for bits, length in lengths.items() if length >= _SHORTEST}
    if not found:
        return 0, 0
    bits = min(found, key=lambda one: one / 8 + _RUN.size / found[one])
    return min(found[bits], _MOST), bits


def _packed(words: Words, bits: int) -> bytes | None:
    """Return head and integers, or None where they would not give the same words back."""
    values = words.view("<f4").astype(np.float64)
    base = values.min()
    integers, length = _integers(words)
    if length < len(words):
        return None
    divisor = int(np.gcd.reduce(np.abs(integers - integers[0])))
    places = (integers - integers.min()) // max(divisor, 1)
    top = int(places.max())
    step = (values.max() - base) / top if top else 0.0
    head = _RUN.pack(len(words), bits, base, step)
    _, _, base, step = _RUN.unpack(head)
    restored = (np.float64(base) + places * np.float64(step)).astype("<f4").view("<u4")
    if not np.array_equal(restored, words):
        return None
    digits = (places[:, None] >> np.arange(bits)) & 1
    return head + np.packbits(digits.astype(np.uint8).reshape(-1), bitorder="little").tobytes()


def _unpacked(data: npt.NDArray[np.uint8], bits: int, count: int) -> Wide:
    if bits == 0:
        return np.zeros(count, np.int64)
    digits = np.unpackbits(data, bitorder="little")[: count * bits].reshape(count, bits)
    whole: Wide = digits.astype(np.int64) @ (1 << np.arange(bits, dtype=np.int64))
    return whole


def _raw_runs(words: Words) -> list[bytes]:
    pieces = [words[start : start + _MOST] for start in range(0, len(words), _MOST)]
    return [_RUN.pack(len(one), _RAW, 0.0, 0.0) + one.tobytes() for one in pieces]
