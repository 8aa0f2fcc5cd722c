"""G2: groups save arithmetic, but for the same arithmetic they move more bytes.

    bytes ~ h·w·c1 + B·g / c1 + B / (h·w)     grows with the groups g at equal arithmetic B

What is lost is the time beside a plain convolution of c / √g channels, which has the same multiply-adds.
"""

import math
from typing import ClassVar

from lissome.advice.case import Case
from lissome.advice.rule import Rule
from lissome.advice.shapes import as_convolution, channels_in, channels_out, is_convolution, is_depthwise
from lissome.advice.tip import Tip


class FewGroups(Rule):
    """Grouped convolutions, other than depthwise ones."""

    name: ClassVar[str] = "few_groups"
    title: ClassVar[str] = "G2, grouped convolutions"
    source: ClassVar[str] = "Ma et al. 2018, ShuffleNetV2, arXiv:1807.11164, guideline 2"

    def check(self, case: Case) -> Tip | None:
        """Compare each with a plain one of the same arithmetic."""
        broken: dict[int, float] = {}
        for place, row in enumerate(case.rows):
            if not is_convolution(row) or row.groups == 1 or is_depthwise(row):
                continue
            scale = math.sqrt(row.groups)
            plain = as_convolution(row, channels=(channels_in(row) / scale, channels_out(row) / scale), groups=1)
            loss = case.gain([place], [plain])
            if loss > 0:
                broken[place] = loss
        if not broken:
            return None
        lost = sum(broken.values())
        most = max(case.rows[place].groups for place in broken)
        return self.tip(
            case,
            list(broken),
            why=f"{len(broken)} convolutions have up to {most} groups; plain ones with the same multiply-adds are "
            "narrower and move fewer bytes",
            change="use fewer groups and fewer channels",
            cost_ms=lost,
            gain_ms=lost,
        )
