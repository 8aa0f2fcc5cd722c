"""What a search can do to a network's structure: ``ls.moves.RemoveBlocks()`` and the like."""

from collections.abc import Mapping

from lissome.tuning.trials.moves.factorize_layers import FactorizeLayers
from lissome.tuning.trials.moves.fold_parallel import FoldParallel
from lissome.tuning.trials.moves.move import Move
from lissome.tuning.trials.moves.narrow_channels import NarrowChannels
from lissome.tuning.trials.moves.narrow_groups import NarrowGroups
from lissome.tuning.trials.moves.remove_blocks import RemoveBlocks, RemoveSmallBlocks

__all__ = [
    "MOVES",
    "FactorizeLayers",
    "FoldParallel",
    "Move",
    "NarrowChannels",
    "NarrowGroups",
    "RemoveBlocks",
    "RemoveSmallBlocks",
    "default_moves",
]

MOVES: Mapping[str, type[Move]] = {
    "groups": NarrowGroups,
    "small blocks": RemoveSmallBlocks,
    "blocks": RemoveBlocks,
    "channels": NarrowChannels,
    "factors": FactorizeLayers,
    "branches": FoldParallel,
}
"""What can be done to the structure. One more is a class here, or one of the user's own in `SearchSpace.moves`."""


def default_moves(multiple_of: int = 8, keeps: tuple[float, ...] = (0.85, 0.7, 0.55, 0.4)) -> tuple[Move, ...]:
    """Return every move, in the order in which they are done.

    Args:
        multiple_of: Channels and ranks are multiples of this.
        keeps: Shares of `NarrowChannels`.
    """
    return (
        NarrowGroups(multiple_of=multiple_of),
        RemoveSmallBlocks(),
        RemoveBlocks(),
        NarrowChannels(keeps=keeps, multiple_of=multiple_of),
        FactorizeLayers(multiple_of=multiple_of),
        FoldParallel(),
    )
