"""The loops of `bit_kernels` that numba compiles: plain functions, so that nothing of numba is needed to read them."""

from collections.abc import Callable
from typing import Any

import numpy as np

_ONES, _PAIRS = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333)
_NIBBLES, _BYTES = np.uint64(0x0F0F0F0F0F0F0F0F), np.uint64(0x0101010101010101)
_1, _2, _4, _56 = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(56)


def compiled(numba: Any, kind: str) -> Callable[..., None]:
    """Return the compiled loop of a kind, "xnor" or "shift"."""
    place = _xnor_at(numba.njit(_popcount, inline="always")) if kind == "xnor" else _shift_at
    return numba.njit(_everywhere(numba.njit(place)))  # type: ignore[no-any-return]


def _everywhere(at: Callable[..., Any]) -> Callable[..., None]:
    """Return the loop over all places and output channels."""

    def loop(x: Any, weight: Any, channels: int, stride: int, padding: int, made: Any) -> None:
        for image in range(made.shape[0]):
            for row in range(made.shape[1]):
                for column in range(made.shape[2]):
                    top, left = row * stride - padding, column * stride - padding
                    for out in range(made.shape[3]):
                        made[image, row, column, out] = at(x[image], weight, channels, top, left, out)

    return loop


def _xnor_at(popcount: Callable[..., Any]) -> Callable[..., Any]:
    """Return the sum of one place and output channel, of bits."""

    def at(x: Any, weight: Any, channels: int, top: int, left: int, out: int) -> Any:
        total: Any = 0
        for down in range(max(0, -top), min(weight.shape[1], x.shape[0] - top)):
            for right in range(max(0, -left), min(weight.shape[2], x.shape[1] - left)):
                different = np.uint64(0)
                for word in range(x.shape[2]):
                    different += popcount(x[top + down, left + right, word] ^ weight[out, down, right, word])
                total += channels - 2 * np.int64(different)
        return total

    return at


def _popcount(word: Any) -> Any:
    """Return how many bits are set; LLVM knows this sequence and makes the processor's own instruction of it."""
    word = word - ((word >> _1) & _ONES)
    word = (word & _PAIRS) + ((word >> _2) & _PAIRS)
    word = (word + (word >> _4)) & _NIBBLES
    return (word * _BYTES) >> _56


def _shift_at(x: Any, code: Any, channels: int, top: int, left: int, out: int) -> Any:
    """Return the sum of one place and output channel, of shifted whole numbers."""
    shift, kept, negative = code
    total: Any = 0
    for down in range(max(0, -top), min(shift.shape[1], x.shape[0] - top)):
        for right in range(max(0, -left), min(shift.shape[2], x.shape[1] - left)):
            for channel in range(x.shape[2]):
                mask = negative[out, down, right, channel]
                one = x[top + down, left + right, channel] << shift[out, down, right, channel]
                total += ((one & kept[out, down, right, channel]) ^ mask) - mask
    return total
