"""Narrow the whole network to a share of its cost."""

from dataclasses import dataclass, field
from typing import ClassVar

from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.scores import L1, Score
from lissome.core.step import Step
from lissome.tuning.trials.facts import Facts
from lissome.tuning.trials.moves.move import Move, check_shares
from lissome.tuning.trials.trial import Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrowChannels(Move):
    """Remove channels over the whole network until a share of the time, or of the multiply-adds, stays.

    Args:
        keeps: Shares that stay, in (0, 1).
        multiple_of: The channels kept of a group are a multiple of this, or all.
        score: What a channel is worth.
        reconstruct: Training images that the layers behind are fitted on; 0 does not.
    """

    name: ClassVar[str] = "channels"
    keeps: tuple[float, ...] = (0.85, 0.7, 0.55, 0.4)
    multiple_of: int = 8
    score: Score = field(default_factory=L1)
    reconstruct: int = 256

    def __post_init__(self) -> None:
        check_shares("NarrowChannels.keeps", self.keeps)

    def choices(self, facts: Facts) -> tuple[Choice, ...]:
        """Return which share stays."""
        del facts
        return (1.0, *sorted({float(one) for one in self.keeps if one < 1}, reverse=True))

    def steps(self, choice: Choice, facts: Facts) -> tuple[Step, ...]:
        """Return the cut."""
        return (
            PruneChannels(
                keep=float(choice),
                score=self.score,
                objective=facts.objective,
                multiple_of=self.multiple_of,
                reconstruct=self.reconstruct,
            ),
        )
