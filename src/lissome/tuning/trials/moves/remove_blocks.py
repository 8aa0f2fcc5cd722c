"""Remove whole blocks."""

from dataclasses import dataclass
from typing import ClassVar

from lissome.compression.pruning.prune_blocks import PruneBlocks
from lissome.core.step import Step
from lissome.tuning.trials.facts import Facts
from lissome.tuning.trials.moves.move import Move, check_shares
from lissome.tuning.trials.trial import Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveBlocks(Move):
    """Remove whole blocks, one after another, each time the one without which the loss rises least for what is saved.

    Args:
        shares: Shares of the blocks that go, in (0, 1].
        images: Validation images that the loss is looked at on.
        skip: Patterns of block names that stay.
    """

    name: ClassVar[str] = "blocks"
    shares: tuple[float, ...] = tuple(count / 12 for count in range(1, 8))
    images: int = 256
    skip: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_shares("RemoveBlocks.shares", self.shares)

    def choices(self, facts: Facts) -> tuple[Choice, ...]:
        """Return how many blocks go."""
        return tuple(sorted({0, *(round(share * facts.blocks) for share in self.shares)}))

    def steps(self, choice: Choice, facts: Facts) -> tuple[Step, ...]:
        """Return one step a block: what trials have in common is then done once."""
        one = PruneBlocks(count=1, objective=facts.objective, images=self.images, skip=self.skip)
        return (one,) * int(choice)
