"""Low FLOPs are not low latency: where memory is the limit, fewer multiply-adds change nothing.

Told by the roofline: the time that the arithmetic alone would take beside the time that the memory takes.
"""

from typing import ClassVar

from lissome.advice.case import Case
from lissome.advice.rule import Rule
from lissome.advice.tip import Tip
from lissome.profiling.roofline import predict_rows

_LIMIT = 0.35


class ArithmeticNotMemory(Rule):
    """A network that waits for memory."""

    name: ClassVar[str] = "arithmetic_not_memory"
    title: ClassVar[str] = "Few multiply-adds, and yet no less time"
    source: ClassVar[str] = "Williams et al. 2009, Roofline; Ma et al. 2018, arXiv:1807.11164, Section 1"

    def check(self, case: Case) -> Tip | None:
        """Compare arithmetic with memory over the whole network."""
        times = predict_rows(case.rows, case.device, precision=case.precision)
        arithmetic = sum(row.compute_ms for row in times.rows)
        if times.total_ms <= 0 or arithmetic > _LIMIT * times.total_ms:
            return None
        waiting = [place for place, row in enumerate(times.rows) if row.bound == "memory"]
        return self.tip(
            case,
            waiting,
            why=f"the arithmetic alone would take {arithmetic / times.total_ms:.0%} of the predicted time: the rest is "
            "waiting for memory, and pruning for multiply-adds would not shorten it",
            change="move fewer bytes: int8 or float16 weights and activations, fused operators, fewer and smaller maps",
            cost_ms=case.time(waiting),
        )
