"""What a search can do to a network's structure: one choice each, the first of which leaves it as it is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from lissome.compression.pruning.prune_blocks import PruneBlocks
from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.scores import L1, Score
from lissome.core.errors import SettingError
from lissome.core.step import Step
from lissome.profiling.latency_table import LatencyTable
from lissome.tuning.trials.trial import Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What moves must know of the network and the engine.

    Args:
        blocks: How many blocks can go.
        objective: What is saved: multiply-adds, or measured time.
    """

    blocks: int
    objective: Literal["macs"] | LatencyTable


class Move(ABC):
    """One thing that can be done to the structure. Subclasses are frozen dataclasses.

    Attributes:
        name: The name of the parameter that a search chooses.
    """

    __slots__ = ()
    name: ClassVar[str]

    @abstractmethod
    def choices(self, facts: Facts) -> tuple[Choice, ...]:
        """Return what can be chosen, the first leaving the network as it is."""

    @abstractmethod
    def steps(self, choice: Choice, facts: Facts) -> tuple[Step, ...]:
        """Return the steps of a choice that is not the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveBlocks(Move):
    """Remove whole blocks, one after another, each time the one without which the loss rises least for what is saved.

    Args:
        shares: Shares of the blocks that go, in (0, 1].
        images: Validation images that the loss is looked at on.
        skip: Patterns of block names that stay.
    """

    name: ClassVar[str] = "blocks"
    shares: tuple[float, ...] = (0.125, 0.25, 0.375, 0.5)
    images: int = 256
    skip: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_shares("RemoveBlocks.shares", self.shares)

    def choices(self, facts: Facts) -> tuple[Choice, ...]:
        """Return how many blocks go."""
        return tuple(sorted({0, *(round(share * facts.blocks) for share in self.shares)}))

    def steps(self, choice: Choice, facts: Facts) -> tuple[Step, ...]:
        """Return one step a block: what trials have in common is then done once."""
        one = PruneBlocks(count=1, objective=facts.objective, images=self.images, skip=self.skip)
        return (one,) * int(choice)


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
        _check_shares("NarrowChannels.keeps", self.keeps)

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


MOVES: Mapping[str, type[Move]] = {
    "blocks": RemoveBlocks,
    "channels": NarrowChannels,
}
"""What can be done to the structure. One more is a class here, or one of the user's own in `SearchSpace.moves`."""


def _check_shares(where: str, shares: tuple[float, ...]) -> None:
    if not shares or not all(0 < one <= 1 for one in shares):
        raise SettingError(f"is {shares}", where=where, fix="give shares in (0, 1]")
