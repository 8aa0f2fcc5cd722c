"""What every rule of advice looks like."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from lissome.advice.case import Case
from lissome.advice.tip import Tip

WORTH_A_WORD = 0.02
"""What costs, or would gain, less than this share of a network's time is not worth a word."""


class Rule(ABC):
    """One rule. A subclass says when a network breaks it.

    Attributes:
        name: Its name in `RULES`.
        title: The rule in a few words.
        source: Where it comes from.
        needs_network: Whether the connections are needed, which a profile does not have.
        needs_ghosts: Whether feature maps of real images are needed.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    needs_network: ClassVar[bool] = False
    needs_ghosts: ClassVar[bool] = False

    @abstractmethod
    def check(self, case: Case) -> Tip | None:
        """Return what is wrong, or None where the network keeps the rule."""

    def tip(  # noqa: PLR0913 – a tip says that many things
        self,
        case: Case,
        rows: Sequence[int],
        *,
        why: str,
        change: str,
        cost_ms: float,
        gain_ms: float | None = None,
        step: str = "",
        least_share: float = WORTH_A_WORD,
    ) -> Tip | None:
        """Return a tip on some rows, the costliest first; None where it is not worth a word.

        Args:
            case: The network.
            rows: Numbers of the rows that break the rule.
            why: What is wrong there.
            change: What to do.
            cost_ms: What it costs.
            gain_ms: What is expected to be saved; None where nothing can be said.
            step: The step that does it.
            least_share: Share of the network's time that the gain, or else the cost, must have.
        """
        weight = cost_ms if gain_ms is None else gain_ms
        if not rows or case.total_ms <= 0 or weight < least_share * case.total_ms:
            return None
        ordered = sorted(rows, key=lambda row: -case.ms[row])
        return Tip(
            rule=self.name,
            title=self.title,
            source=self.source,
            layers=tuple(dict.fromkeys(case.cost.rows[row].layer for row in ordered)),
            why=why,
            cost_ms=cost_ms,
            cost_share=cost_ms / case.total_ms,
            basis=case.basis,
            step=step,
            change=change,
            gain_ms=gain_ms,
        )
