"""G1: a 1x1 convolution moves the fewest bytes for its arithmetic when as many channels go in as come out.

    h·w·(c1 + c2) + c1·c2  ≥  2·√(h·w·B) + B / (h·w)     with B = h·w·c1·c2, equal where c1 = c2

That matters where memory is the limit: what is lost is the row's time beside that of c = √(c1·c2) in and out.
"""

import math
from typing import ClassVar

from lissome.advice.case import Case
from lissome.advice.rule import Rule
from lissome.advice.shapes import as_convolution, channels_in, channels_out, is_pointwise, pixels
from lissome.advice.tip import Tip

_UNEQUAL = 3.0  # the paper's table begins to show it at 1:6; 1:2 is lost in noise


class EqualChannels(Rule):
    """1x1 convolutions with unequal numbers of channels."""

    name: ClassVar[str] = "equal_channels"
    title: ClassVar[str] = "G1, unequal channels in 1x1 convolutions"
    source: ClassVar[str] = "Ma et al. 2018, ShuffleNetV2, arXiv:1807.11164, guideline 1"

    def check(self, case: Case) -> Tip | None:
        """Compare each with one of equal channels and the same arithmetic."""
        broken: dict[int, float] = {}
        for place, row in enumerate(case.rows):
            if not is_pointwise(row) or pixels(row) == 1:
                continue
            c1, c2 = channels_in(row), channels_out(row)
            if max(c1, c2) < _UNEQUAL * min(c1, c2):
                continue
            width = math.sqrt(c1 * c2)
            loss = case.gain([place], [as_convolution(row, channels=(width, width))])
            if loss > 0:
                broken[place] = loss
        if not broken:
            return None
        worst = max(broken, key=lambda place: broken[place])
        c1, c2 = channels_in(case.rows[worst]), channels_out(case.rows[worst])
        lost = sum(broken.values())
        return self.tip(
            case,
            list(broken),
            why=f"{len(broken)} of them; in {case.rows[worst].layer} {c1} channels go in and {c2} come out, and memory "
            "is the limit: the same multiply-adds on equal channels move fewer bytes",
            change="use less expansion and more width: a narrower inner layer and a wider outer one",
            cost_ms=lost,
            gain_ms=lost,
        )
