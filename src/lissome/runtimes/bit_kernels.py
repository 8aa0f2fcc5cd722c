"""Convolutions that compute with bits: XNOR and popcount of signs, shifts of whole numbers.

A sign is a bit, so the product of two is an XNOR, and a sum of n products is ``n - 2 popcount(a xor b)``. A weight
``±2^e`` shifts. Both are exact: they give the integers that the float layer gives. numba compiles the loops where it is
installed (``pip install lissome[bits]``); numpy does the same without it, slowly.

Source:
    Rastegari et al. 2016, XNOR-Net, arXiv:1603.05279, section 3.2; Miyashita et al. 2016, arXiv:1603.01025, section 3.
"""

import importlib
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from lissome.core.errors import SettingError
from lissome.runtimes.bit_loops import compiled

Words = npt.NDArray[np.uint64]
Whole = npt.NDArray[np.int32]

_WORD = 64


def packed(values: npt.NDArray[Any]) -> Words:
    """Return the signs of a tensor as bits along its last axis, 64 a word; what fills the last word is 0.

    Shape:
        values: (…, channels); 0 counts as positive. Returns (…, ceil(channels / 64)).

    Example:
        >>> packed(np.array([1.0, -1.0, 0.0, 2.0])).tolist()
        [13]
    """
    bits = np.packbits(np.asarray(values) >= 0, axis=-1, bitorder="little")
    missing = -bits.shape[-1] % 8
    whole = np.pad(bits, [(0, 0)] * (bits.ndim - 1) + [(0, missing)])
    return np.ascontiguousarray(whole).view("<u8").astype(np.uint64)


def xnor_conv2d(x: Words, weight: Words, channels: int, *, stride: int = 1, padding: int = 0) -> Whole:
    """Convolve signs with signs. Places outside of the image add nothing, as the zeros do that pad a float layer.

    Args:
        x: The input's bits.
        weight: The weights' bits.
        channels: How many bits of a place count.
        stride: Of both sides, ≥ 1.
        padding: On all sides, ≥ 0.

    Shape:
        x: (N, H, W, words). weight: (out, rows, columns, words). Returns (N, H', W', out).

    Raises:
        SettingError: The words do not fit the channels or each other.
    """
    words = -(-channels // _WORD)
    if x.shape[-1] != words or weight.shape[-1] != words:
        what = f"{x.shape[-1]} and {weight.shape[-1]} words for {channels} channels"
        raise SettingError(what, where="xnor_conv2d", fix="pack both along the channels")
    made = _empty(x.shape, weight.shape, stride, padding)
    _loops("xnor")(x, weight, channels, stride, padding, made)
    return made


def shift_conv2d(x: Whole, code: npt.NDArray[np.int8], *, stride: int = 1, padding: int = 0) -> Whole:
    """Convolve whole numbers with signed powers of two, by shifting.

    Args:
        x: Whole numbers, such as 8-bit activations.
        code: 0 stands for 0, ±k for ``±2^(k - 1)``.
        stride: Of both sides, ≥ 1.
        padding: On all sides, ≥ 0.

    Shape:
        x: (N, H, W, channels). code: (out, rows, columns, channels). Returns (N, H', W', out).

    Raises:
        SettingError: The channels differ, or a code shifts beyond 16 bits.
    """
    if x.shape[-1] != code.shape[-1] or int(np.abs(code).max(initial=0)) > 16:
        what = f"{x.shape[-1]} and {code.shape[-1]} channels, shifts up to {int(np.abs(code).max(initial=0)) - 1}"
        raise SettingError(what, where="shift_conv2d", fix="give the same channels, and codes of at most 16")
    made = _empty(x.shape, code.shape, stride, padding)
    # Without a branch: y = ((x << shift) & kept) is made -y by negating its bits and adding 1.
    shift = np.maximum(np.abs(code.astype(np.int32)) - 1, 0)
    kept, negative = -(code != 0).astype(np.int32), -(code < 0).astype(np.int32)
    _loops("shift")(np.ascontiguousarray(x, np.int32), (shift, kept, negative), 0, stride, padding, made)
    return made


def shift_codes(integers: npt.NDArray[Any], exponents: int) -> npt.NDArray[np.int8]:
    """Return codes for `shift_conv2d` from those of the format `Log2`, in which small codes are large weights.

    Args:
        integers: 0, or ±k for ``±2^(top - k + 1)``.
        exponents: How many there are; the least power becomes 1.

    Example:
        >>> shift_codes(np.array([1, -3, 0]), 3).tolist()
        [3, -1, 0]
    """
    magnitude = np.where(integers == 0, 0, exponents + 1 - np.abs(integers))
    codes: npt.NDArray[np.int8] = (np.sign(integers) * magnitude).astype(np.int8)
    return codes


def _empty(x: tuple[int, ...], weight: tuple[int, ...], stride: int, padding: int) -> Whole:
    sides = [(x[axis] + 2 * padding - weight[axis]) // stride + 1 for axis in (1, 2)]
    if stride < 1 or padding < 0 or min(sides) < 1:
        raise SettingError(f"stride {stride}, padding {padding} leave nothing", where="convolution")
    return np.zeros((x[0], *sides, weight[0]), np.int32)


def is_compiled() -> bool:
    """Tell whether numba is there to compile the loops."""
    return find_spec("numba") is not None


@cache
def _loops(kind: str) -> Callable[..., None]:
    if not is_compiled():
        return _xnor_arrays if kind == "xnor" else _shift_arrays
    numba = importlib.import_module("numba")
    return compiled(numba, kind)


def _windows(x: npt.NDArray[Any], row: int, column: int, stride: int, padding: int, made: Whole) -> Any:
    """Return what one tap of the kernel reads inside of the image, and where in the result it goes."""
    place = []
    for tap, size, count in ((row, x.shape[1], made.shape[1]), (column, x.shape[2], made.shape[2])):
        first = max(0, -(-(padding - tap) // stride))
        last = min(count - 1, (size - 1 + padding - tap) // stride)
        start = first * stride + tap - padding
        place.append((slice(first, last + 1), slice(start, start + max(last - first, 0) * stride + 1, stride)))
    (to_rows, rows), (to_columns, columns) = place
    if to_rows.stop <= to_rows.start or to_columns.stop <= to_columns.start:
        return None
    return x[:, rows, columns], made[:, to_rows, to_columns]


def _xnor_arrays(x: Words, weight: Words, channels: int, stride: int, padding: int, made: Whole) -> None:
    for row in range(weight.shape[1]):
        for column in range(weight.shape[2]):
            found = _windows(x, row, column, stride, padding, made)
            if found is not None:
                different = np.bitwise_count(found[0][:, :, :, None, :] ^ weight[:, row, column])
                found[1][...] += channels - 2 * different.sum(-1, dtype=np.int32)


def _shift_arrays(
    x: Whole, code: tuple[Whole, Whole, Whole], channels: int, stride: int, padding: int, made: Whole
) -> None:
    del channels
    shift, kept, negative = code
    for row in range(shift.shape[1]):
        for column in range(shift.shape[2]):
            found = _windows(x, row, column, stride, padding, made)
            if found is not None:
                place = (slice(None), row, column)
                shifted = (found[0][:, :, :, None, :] << shift[place]) & kept[place]
                found[1][...] += ((shifted ^ negative[place]) - negative[place]).sum(-1, dtype=np.int32)
