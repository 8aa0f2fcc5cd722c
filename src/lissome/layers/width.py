"""Width multiplier: scale channel counts and keep them friendly to the hardware."""


def scaled_channels(channels: int, width: float, *, multiple_of: int = 8) -> int:
    """Return `channels * width`, rounded to the nearest multiple, never less than 90 % of the exact value.

    Args:
        channels: Channels at width 1.
        width: Multiplier, > 0. At 1 the result is `channels` when that is a multiple already.
        multiple_of: Multiple to round to, >= 1; also the least result.

    Source:
        Howard et al. 2017, arXiv:1704.04861, Section 3.3 (the multiplier); Sandler et al. 2018, arXiv:1801.04381
        (multiples of 8, as in the authors' published models).

    Example:
        >>> scaled_channels(24, 0.5), scaled_channels(32, 0.35)
        (16, 16)
    """
    exact = channels * width
    rounded = max(multiple_of, int(exact + multiple_of / 2) // multiple_of * multiple_of)
    return rounded + multiple_of if rounded < 0.9 * exact else rounded
