"""G3: one convolution is quicker than several that do the same arithmetic in small pieces.

Convolutions side by side that read the same tensor read it once each. Those of the same kernel, stride and padding can
be one convolution with the filters of all; those that are summed and have no activation between (RepVGG in training
form) fold into one by linearity.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from torch import nn

from lissome.advice.case import Case, Wiring
from lissome.advice.rule import Rule
from lissome.advice.tip import Tip
from lissome.profiling.profile import Row

_INPUT = -1  # stands for the network's own input


class LittleFragmentation(Rule):
    """Equal convolutions of one tensor."""

    name: ClassVar[str] = "little_fragmentation"
    title: ClassVar[str] = "G3, fragmented blocks"
    source: ClassVar[str] = "Ma et al. 2018, ShuffleNetV2, arXiv:1807.11164, guideline 3"
    needs_network: ClassVar[bool] = True

    def check(self, case: Case) -> Tip | None:
        """Find them, and compare with one convolution that reads the tensor once."""
        wiring = case.wiring
        if wiring is None:
            return None
        sets = list(_alike(wiring))
        rows = [wiring.rows[call] for one in sets for call in one]
        gain = sum(
            case.gain([wiring.rows[call] for call in one], [_merged([case.rows[wiring.rows[call]] for call in one])])
            for one in sets
        )
        return self.tip(
            case,
            rows,
            why=f"{len(rows)} convolutions in {len(sets)} sets of equal kernel and stride read the same tensor, each "
            "anew, and each has a start and an end that nothing overlaps",
            change="make one convolution of each set (horizontal fusion), or fewer branches",
            cost_ms=case.time(rows),
            gain_ms=gain,
        )


def _alike(wiring: Wiring) -> Iterator[list[int]]:
    """Yield sets of convolutions that could be one."""
    sets: dict[tuple[object, ...], list[int]] = {}
    for number, layer in wiring.layers.items():
        if isinstance(layer, nn.Conv2d) and layer.groups == 1 and number in wiring.rows:
            inputs = wiring.calls[number].inputs
            source = inputs[0] if inputs else _INPUT
            key = (source, layer.kernel_size, layer.stride, str(layer.padding), layer.dilation)
            sets.setdefault(key, []).append(number)
    yield from (one for one in sets.values() if len(one) > 1)


def _merged(rows: list[Row]) -> Row:
    """Return the row of one convolution that does what all do, and reads the input once."""
    first = rows[0]
    size = 4 * math.prod(first.inputs[0])
    return replace(
        first,
        macs=sum(row.macs for row in rows),
        flops=sum(row.flops for row in rows),
        bytes_read=sum(row.bytes_read for row in rows) - size * (len(rows) - 1),
        bytes_written=sum(row.bytes_written for row in rows),
    )
