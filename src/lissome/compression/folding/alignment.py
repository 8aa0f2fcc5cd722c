"""Whether a branch can become part of a larger kernel, and if not, why."""

from torch.nn.modules.conv import _ConvNd

from lissome.layers.branch_sum import LinearBranch


def misalignment(branch: LinearBranch, largest: _ConvNd) -> str | None:
    """Return why a branch cannot be added to a convolution's kernel; None where it can.

    Args:
        branch: Reads the same input as the convolution, and is added to its output.
        largest: The convolution.

    Example:
        >>> from torch import nn
        >>> misalignment(LinearBranch(nn.Conv2d(3, 3, 1, stride=2)), nn.Conv2d(3, 3, 3, padding=1))
        'other stride: 2x2 against 1x1'
        >>> misalignment(LinearBranch(), nn.Conv2d(3, 3, 3, padding=1))
    """
    if branch.convolution is None:
        return _misaligned_identity(largest)
    return _misaligned_convolution(branch.convolution, largest)


def _misaligned_identity(largest: _ConvNd) -> str | None:
    padding = _padding(largest)
    centred = padding is not None and all(
        2 * pad == step * (size - 1)
        for pad, step, size in zip(padding, largest.dilation, largest.kernel_size, strict=True)
    )
    obstacles = {
        f"it keeps every pixel, the stride is {_times(largest.stride)}": any(step != 1 for step in largest.stride),
        "the convolution beside it changes the number of channels": largest.in_channels != largest.out_channels,
        "the convolution beside it does not keep the size": not centred,
    }
    return next((reason for reason, holds in obstacles.items() if holds), None)


def _misaligned_convolution(one: _ConvNd, largest: _ConvNd) -> str | None:
    sizes = list(zip(one.kernel_size, largest.kernel_size, strict=False))
    against = f"{_times(one.kernel_size)} against {_times(largest.kernel_size)}"
    obstacles = {
        f"it is a {type(one).__name__}, not a {type(largest).__name__}": type(one) is not type(largest),
        f"other stride: {_times(one.stride)} against {_times(largest.stride)}": one.stride != largest.stride,
        f"other group count: {one.groups} against {largest.groups}": one.groups != largest.groups,
        "other number of channels": one.weight.shape[:2] != largest.weight.shape[:2],
        f"other data type: {one.weight.dtype} against {largest.weight.dtype}": one.weight.dtype != largest.weight.dtype,
        f"neither kernel fits into the other: {against}": any(small > large for small, large in sizes),
        f"the kernels have no common centre: {against}": any((large - small) % 2 for small, large in sizes),
        f"other dilation: {_times(one.dilation)} against {_times(largest.dilation)}": any(
            size > 1 and step != other
            for size, step, other in zip(one.kernel_size, one.dilation, largest.dilation, strict=False)
        ),
    }
    reason = next((reason for reason, holds in obstacles.items() if holds), None)
    return reason or _misaligned_padding(one, largest)


def _misaligned_padding(one: _ConvNd, largest: _ConvNd) -> str | None:
    padding, wanted = _padding(one), _padding(largest)
    if padding is None or wanted is None:
        return "padding 'same' of an even kernel is uneven"
    if one.padding_mode != largest.padding_mode and any(padding):
        return f"other padding mode: {one.padding_mode} against {largest.padding_mode}"
    shifts = zip(padding, wanted, largest.dilation, one.kernel_size, largest.kernel_size, strict=True)
    if any(2 * (large_pad - pad) != step * (large - small) for pad, large_pad, step, small, large in shifts):
        return f"its padding {_times(padding)} puts its centre elsewhere than {_times(wanted)}"
    return None


def _padding(layer: _ConvNd) -> tuple[int, ...] | None:
    """Return the pixels on each side; None where the sides differ."""
    if layer.padding == "valid":
        return (0,) * len(layer.kernel_size)
    if layer.padding == "same":
        totals = [step * (size - 1) for step, size in zip(layer.dilation, layer.kernel_size, strict=True)]
        return None if any(total % 2 for total in totals) else tuple(total // 2 for total in totals)
    return tuple(int(pad) for pad in layer.padding)


def _times(numbers: tuple[int, ...]) -> str:
    return "x".join(map(str, numbers))
