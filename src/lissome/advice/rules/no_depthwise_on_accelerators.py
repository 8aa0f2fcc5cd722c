"""Depthwise convolutions are cheap on CPUs and poor on GPUs and NPUs.

They do k² multiply-adds for each number moved, where such chips can do hundreds: the array stands still. An expansion
and a depthwise convolution in one plain convolution (a fused inverted residual) has more arithmetic and less traffic.
"""

from typing import ClassVar

from lissome.advice.case import Case
from lissome.advice.rule import Rule
from lissome.advice.shapes import as_convolution, is_depthwise, is_pointwise
from lissome.advice.tip import Tip
from lissome.profiling.profile import Row

_LIMIT = 0.10
_NEAR = 4  # rows between: normalisation and activation


class NoDepthwiseOnAccelerators(Rule):
    """Much time in depthwise convolutions on a GPU or NPU."""

    name: ClassVar[str] = "no_depthwise_on_accelerators"
    title: ClassVar[str] = "Depthwise convolutions on an accelerator"
    source: ClassVar[str] = "Gupta and Akin 2020, arXiv:2003.02838, fused inverted residuals; Ding et al. 2021, RepVGG"

    def check(self, case: Case) -> Tip | None:
        """Add up the depthwise convolutions; where an expansion lies before, compare with a fused one."""
        if case.device.kind == "cpu":
            return None
        rows = [place for place, row in enumerate(case.rows) if is_depthwise(row)]
        cost = case.time(rows)
        if cost < _LIMIT * case.total_ms:
            return None
        gain = 0.0
        for place in rows:
            expansion = _expansion_before(case, place)
            if expansion is not None:
                gain += case.gain([expansion, place], [_fused(case.rows[expansion], case.rows[place])])
        return self.tip(
            case,
            rows,
            why=f"{len(rows)} depthwise convolutions do {_intensity(case, rows):.1f} FLOPs for each byte moved; "
            f"{case.device.title} needs {case.device.ridge(case.precision):.0f} to be busy",
            change="use plain 3x3 convolutions there (fused inverted residuals, RepVGG), above all in early stages",
            cost_ms=cost,
            gain_ms=gain or None,
        )


def _intensity(case: Case, rows: list[int]) -> float:
    moved = sum(case.rows[one].bytes_moved for one in rows)
    return sum(case.rows[one].flops for one in rows) / moved if moved else 0.0


def _expansion_before(case: Case, place: int) -> int | None:
    """Return the 1x1 convolution that widens what a depthwise one reads, if that is what comes before it."""
    row = case.rows[place]
    for before in range(place - 1, max(-1, place - _NEAR), -1):
        other = case.rows[before]
        if is_pointwise(other):
            return before if other.output == row.inputs[0] and other.inputs[0][1] < other.output[1] else None
    return None


def _fused(expansion: Row, depthwise: Row) -> Row:
    channels = (expansion.inputs[0][1], depthwise.output[1])
    return as_convolution(depthwise, channels=channels, groups=1, input_shape=expansion.inputs[0])
