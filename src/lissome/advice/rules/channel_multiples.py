"""Channels in multiples of what the device computes at once: 17 can cost what 32 do.

Vectors, tensor cores and NPU arrays take 4, 8 or 16 channels a time; the rest of the last one is wasted. What is lost
is the time of the channels that are computed for nothing.
"""

import math
from collections.abc import Callable
from typing import ClassVar

from lissome.advice.case import Case
from lissome.advice.rule import Rule
from lissome.advice.shapes import as_convolution, channels_in, channels_out, is_convolution, is_depthwise
from lissome.advice.tip import Tip
from lissome.profiling.profile import Row


class ChannelMultiples(Rule):
    """Channel counts between two multiples."""

    name: ClassVar[str] = "channel_multiples"
    title: ClassVar[str] = "Channels that are no multiple of the device's"
    source: ClassVar[str] = "the device's documentation (`sources` of its file); VainF/Torch-Pruning#38"

    def check(self, case: Case) -> Tip | None:
        """Compare the time of the rounded-up convolutions with that of rounded-down ones."""
        step = case.device.channel_multiple
        if step < 2:
            return None
        waste: dict[int, float] = {}
        gain = 0.0
        for place, row in enumerate(case.rows):
            if not is_convolution(row) or is_depthwise(row) or row.groups > 1:
                continue
            padded, cut = _rounded(row, step, math.ceil), _rounded(row, step, math.floor)
            if padded == (channels_in(row), channels_out(row)):
                continue
            # The engine computes the padded one already: the row's time is that of the padded one.
            real = case.predicted([row])
            whole, less = (case.predicted([as_convolution(row, channels=one)]) for one in (padded, cut))
            if whole > 0 and whole > real:
                waste[place] = case.ms[place] * (whole - real) / (whole if case.basis == "measured" else real)
                gain += case.ms[place] * (whole - less) / (whole if case.basis == "measured" else real)
        if not waste:
            return None
        worst = max(waste, key=lambda place: waste[place])
        row = case.rows[worst]
        return self.tip(
            case,
            list(waste),
            why=f"{len(waste)} convolutions; {row.layer} has {channels_in(row)} in and {channels_out(row)} out, "
            f"computed as {' and '.join(str(one) for one in _rounded(row, step, math.ceil))}: {case.device.title} "
            f"takes {step} at once",
            change=f"PruneChannels(multiple_of={step}), or choose widths in multiples of {step}",
            step="PruneChannels",
            cost_ms=sum(waste.values()),
            gain_ms=gain,
        )


def _rounded(row: Row, step: int, how: Callable[[float], int]) -> tuple[int, int]:
    """Return the channels in and out, rounded.

    What is narrower than one vector stays: there is nothing to round down to, and most often it is a picture's colours.
    """
    c_in, c_out = (one if one < step else step * how(one / step) for one in (channels_in(row), channels_out(row)))
    return c_in, c_out
