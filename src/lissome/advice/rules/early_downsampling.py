"""Late downsampling: maps of full size are where the time goes.

A convolution's cost falls to a quarter when its maps are halved in both directions. Networks that are quick reduce the
picture to a sixteenth of its pixels (stride 4) before they begin to compute.
"""

from typing import ClassVar

from lissome.advice.case import Case
from lissome.advice.rule import Rule
from lissome.advice.shapes import is_convolution, pixels
from lissome.advice.tip import Tip

_LIMIT = 0.4
_LARGE = 1 / 16  # of the picture's pixels
_SMALLEST_SIDE = 64  # smaller pictures have nothing to give away


class EarlyDownsampling(Rule):
    """Much time above a quarter of the picture's width."""

    name: ClassVar[str] = "early_downsampling"
    title: ClassVar[str] = "Late downsampling"
    source: ClassVar[str] = (
        "He et al. 2016, arXiv:1512.03385 (stride 4 in the stem); Paszke et al. 2016, ENet, arXiv:1606.02147"
    )

    def check(self, case: Case) -> Tip | None:
        """Add up what runs on large maps."""
        picture = case.cost.inputs[0]
        if len(picture) != 4 or min(picture[2:]) < _SMALLEST_SIDE:
            return None
        whole = picture[2] * picture[3]
        rows = [place for place, row in enumerate(case.rows) if len(row.output) == 4 and pixels(row) > _LARGE * whole]
        cost = case.time(rows)
        convolutions = [one for one in rows if is_convolution(case.rows[one])]
        if cost < _LIMIT * case.total_ms or len(convolutions) < 2:
            return None
        first = convolutions[0]
        later = [one for one in rows if one != first]
        return self.tip(
            case,
            rows,
            why=f"{len(convolutions)} convolutions work on more than a sixteenth of the picture's "
            f"{picture[2]}x{picture[3]} pixels",
            change="halve the maps earlier, by a stride in the first layers, or give a smaller picture",
            cost_ms=cost,
            gain_ms=0.75 * case.time(later),
        )
