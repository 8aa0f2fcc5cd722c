"""How many units of a group stay, rounded to the widths that an engine likes."""

import math


def rounded_units(wanted: float, units: int, channels_a_unit: int, multiple_of: int, least: float = 1) -> int:
    """Return the number of units to keep, so that the channels are a multiple, or all of them.

    Engines work on blocks of channels: 17 channels can cost what 32 do. The nearest multiple is taken, at least one.

    Args:
        wanted: Units one would keep without rounding.
        units: Units there are, ≥ 1.
        channels_a_unit: Channels a unit holds, ≥ 1.
        multiple_of: What the channels kept shall be a multiple of, ≥ 1.
        least: Units that stay in any case.

    Example:
        >>> [rounded_units(wanted, 64, 1, 16) for wanted in (1, 23, 25, 60)]
        [16, 16, 32, 64]
        >>> rounded_units(5, 10, 1, 16)
        10
        >>> rounded_units(5, 64, 1, 16, least=17)
        32
    """
    first = max(1, math.ceil(least))
    choices = [count for count in range(first, units) if count * channels_a_unit % multiple_of == 0]
    return min([*choices, units], key=lambda count: (abs(count - wanted), count))
