"""Remove whole blocks: any, or small ones alone."""

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
    keeps_maps: ClassVar[bool] = True
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveSmallBlocks(RemoveBlocks):
    """Remove blocks that hold few parameters, and leave those that hold many.

    The loss before a recovery does not tell what a network can learn after it: where large blocks stay, it learns more.
    Of ResNet-56, 13 blocks of its first two stages are recovered in two epochs to 97.9 % of the validation images, 13
    of any stage, which save less time, to 96.4 % (`benchmarks/results/recovery.json`).

    Args:
        shares: Shares of the small blocks that go, in (0, 1].
    """

    name: ClassVar[str] = "small blocks"
    excludes: ClassVar[tuple[str, ...]] = ("blocks",)
    shares: tuple[float, ...] = tuple(count / 8 for count in range(1, 8))

    def choices(self, facts: Facts) -> tuple[Choice, ...]:
        """Return how many small blocks go, where blocks differ."""
        small = facts.blocks - len(facts.large_blocks)
        return tuple(sorted({0, *(round(share * small) for share in self.shares)}))

    def steps(self, choice: Choice, facts: Facts) -> tuple[Step, ...]:
        """Return one step a block."""
        return RemoveBlocks(images=self.images, skip=(*self.skip, *facts.large_blocks)).steps(choice, facts)
