"""Squeeze-and-excitation has no arithmetic to speak of, but reads the whole tensor twice more and writes it once more.

What it costs is the pooling and the product, both of which are limited by memory, and the wait in between: the first
product needs all pixels. It is dearest where maps are largest, and helps least there.
"""

from typing import ClassVar

from lissome.advice.case import Case
from lissome.advice.rule import Rule
from lissome.advice.shapes import pixels
from lissome.advice.tip import Tip

_PRODUCTS = ("mul", "imul", "mul_")
_POOLS = ("adaptive_avg_pool2d", "mean")


class CheapAttention(Rule):
    """Channel attention on large maps."""

    name: ClassVar[str] = "cheap_attention"
    title: ClassVar[str] = "Squeeze-and-excitation on large maps"
    source: ClassVar[str] = (
        "Hu et al. 2018, arXiv:1709.01507, Section 6.4 (early stages can do without); device roofline"
    )
    needs_network: ClassVar[bool] = True

    def check(self, case: Case) -> Tip | None:
        """Find each product of maps with factors, and the pooling that its factors come from."""
        wiring = case.wiring
        if wiring is None:
            return None
        blocks: list[tuple[int, int]] = []
        for call, row in wiring.rows.items():
            shapes = case.rows[row].inputs
            if case.rows[row].operator in _PRODUCTS and len(shapes) == 2 and _scales_channels(*shapes):
                pool = _pool_of(call, case)
                if pool is not None:
                    blocks.append((row, pool))
        rows = [one for block in blocks for one in block]
        if not rows:
            return None
        sizes = sorted({pixels(case.rows[product]) for product, _ in blocks})
        large = [one for block in blocks for one in block if pixels(case.rows[block[0]]) > sizes[len(sizes) // 2]]
        early = large or rows
        return self.tip(
            case,
            rows,
            why=f"{len(blocks)} blocks read and write their tensors anew for one factor a channel",
            change="leave it out where maps are largest, keep it in the last stages"
            if large
            else "leave it out, or use fewer",
            cost_ms=case.time(rows),
            gain_ms=case.time(early),
        )


def _scales_channels(one: tuple[int, ...], two: tuple[int, ...]) -> bool:
    factors, maps = sorted((one, two), key=lambda shape: shape[2:])
    return (
        len(factors) == len(maps) == 4 and factors[:2] == maps[:2] and factors[2:] == (1, 1) and maps[2] * maps[3] > 1
    )


def _pool_of(call: int, case: Case) -> int | None:
    """Return the row of the pooling that a product's factors come from."""
    wiring = case.wiring
    if wiring is None:
        return None
    waiting, seen = list(wiring.calls[call].inputs), set()
    while waiting:
        one = waiting.pop()
        if one in seen or one not in wiring.rows:
            continue
        seen.add(one)
        row = case.rows[wiring.rows[one]]
        if pixels(row) != 1:
            continue  # the maps themselves
        if row.operator in _POOLS:
            return wiring.rows[one]
        waiting += wiring.calls[one].inputs
    return None
