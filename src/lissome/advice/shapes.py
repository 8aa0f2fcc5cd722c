"""What kind of convolution a row of a profile is, and rows of convolutions that could be in its place."""

import math
from dataclasses import replace

from lissome.profiling.profile import Row

_BYTES = 4


def is_convolution(row: Row) -> bool:
    """Tell whether a row is a two-dimensional convolution."""
    return row.operator == "conv2d" and row.kernel is not None


def channels_in(row: Row) -> int:
    """Return the channels that a row reads."""
    return row.inputs[0][1]


def channels_out(row: Row) -> int:
    """Return the channels that a row makes."""
    return row.output[1]


def is_depthwise(row: Row) -> bool:
    """Tell whether a convolution has one group a channel, and more than one."""
    return is_convolution(row) and row.groups > 1 and row.groups == channels_in(row)


def is_pointwise(row: Row) -> bool:
    """Tell whether a convolution is 1x1 and not grouped."""
    return is_convolution(row) and row.groups == 1 and math.prod(row.kernel or ()) == 1


def is_dense(row: Row) -> bool:
    """Tell whether a convolution has one group only."""
    return is_convolution(row) and row.groups == 1


def pixels(row: Row) -> int:
    """Return the pixels of each map that a row makes; 1 for what is no map."""
    return math.prod(row.output[2:])


def as_convolution(
    row: Row,
    *,
    channels: tuple[float, float] | None = None,
    kernel: tuple[int, ...] | None = None,
    groups: int | None = None,
    input_shape: tuple[int, ...] | None = None,
) -> Row:
    """Return the row of a convolution like this one but for what is given.

    Args:
        row: A convolution.
        channels: In and out; need not be whole, as this is for comparing costs.
        kernel: Its kernel.
        groups: Its groups.
        input_shape: Shape of its input, where that is not the row's own.

    Example:
        >>> from torch import nn
        >>> from lissome.profiling.profile import profile
        >>> one, two = (profile(nn.Conv2d(8, c, 1, bias=False), (1, 8, 4, 4)).rows[0] for c in (8, 16))
        >>> other = as_convolution(one, channels=(8, 16))
        >>> (other.macs, other.bytes_moved) == (two.macs, two.bytes_moved)
        True
    """
    given = input_shape or row.inputs[0]
    c_in, c_out = channels or (channels_in(row), channels_out(row))
    kernel, groups = kernel or row.kernel or (), groups or row.groups
    made = row.output[0] * c_out * pixels(row)
    weights = c_out * c_in / groups * math.prod(kernel)
    read = given[0] * c_in * math.prod(given[2:])
    macs = made * c_in / groups * math.prod(kernel)
    return replace(
        row,
        params=round(weights),
        macs=round(macs),
        flops=round(2 * macs - made),
        bytes_read=round(_BYTES * (read + weights)),
        bytes_written=round(_BYTES * made),
        kernel=tuple(kernel),
        groups=groups,
    )
