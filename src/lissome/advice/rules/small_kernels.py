"""Large kernels: engines are tuned for 3x3, and two of them see what one 5x5 sees for 18/25 of its arithmetic.

k x k is as many 3x3 in a row as (k - 1) / 2; a k x 1 behind a 1 x k does it for 2 / k, at less rank.
"""

from typing import ClassVar

from lissome.advice.case import Case
from lissome.advice.rule import Rule
from lissome.advice.shapes import as_convolution, channels_out, is_dense
from lissome.advice.tip import Tip
from lissome.profiling.profile import Row


class SmallKernels(Rule):
    """Plain convolutions of 5x5 and more that smaller ones would beat."""

    name: ClassVar[str] = "small_kernels"
    title: ClassVar[str] = "Large kernels"
    source: ClassVar[str] = "Szegedy et al. 2015, arXiv:1512.00567, Section 3.1; Ding et al. 2021, RepVGG, Table 1"

    def check(self, case: Case) -> Tip | None:
        """Compare each with 3x3 convolutions in a row."""
        broken: dict[int, float] = {}
        for place, row in enumerate(case.rows):
            kernel = row.kernel or ()
            if not is_dense(row) or len(kernel) != 2 or min(kernel) < 5:
                continue
            saved = case.gain([place], _small(row, (max(kernel) - 1) // 2))
            if saved > 0:
                broken[place] = saved
        if not broken:
            return None
        kernels = sorted({"x".join(map(str, case.rows[one].kernel or ())) for one in broken})
        return self.tip(
            case,
            list(broken),
            why=f"{len(broken)} convolutions of {', '.join(kernels)}: 3x3 in a row see as far with less arithmetic",
            change="use 3x3 convolutions in a row, or one along each axis",
            cost_ms=case.time(broken),
            gain_ms=sum(broken.values()),
        )


def _small(row: Row, count: int) -> list[Row]:
    """Return 3x3 convolutions in a row; the first has the stride, the others work at the output's size."""
    first = as_convolution(row, kernel=(3, 3))
    wide = channels_out(row)
    rest = as_convolution(row, kernel=(3, 3), channels=(wide, wide), input_shape=row.output)
    return [first, *[rest] * (count - 1)]
