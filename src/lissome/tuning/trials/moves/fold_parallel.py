"""Fold parallel branches."""

from dataclasses import dataclass
from typing import ClassVar

from lissome.compression.folding.fold_branches import FoldBranches
from lissome.core.step import Step
from lissome.tuning.trials.facts import Facts
from lissome.tuning.trials.moves.move import Move
from lissome.tuning.trials.trial import Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldParallel(Move):
    """Fold parallel branches that are summed into one convolution, after the recovery: the outputs stay."""

    name: ClassVar[str] = "branches"
    is_exact: ClassVar[bool] = True

    def choices(self, facts: Facts) -> tuple[Choice, ...]:
        """Return both, where there are branches."""
        return ("apart", "folded") if facts.branches else ("apart",)

    def steps(self, choice: Choice, facts: Facts) -> tuple[Step, ...]:
        """Return the folding."""
        return (FoldBranches(),)
