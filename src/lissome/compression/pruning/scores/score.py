"""What every score has in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.tracing.groups import Group, Member


class Score(ABC):
    """Says how much each unit of a group is worth; the least worthy are removed first."""

    __slots__ = ()

    def requires(self) -> tuple[Need, ...]:
        """Return what the context must have beside an example."""
        return ()

    @abstractmethod
    def of(self, groups: Sequence[Group], model: nn.Module, context: Context) -> list[Tensor | None]:
        """Return for each group one number a unit, or None where this score says nothing about the group.

        Args:
            groups: Channels that live and die together.
            model: The network they are of; it is left as it was.
            context: Whence data and randomness come, if the score needs any.

        Shape:
            Each (units,) float.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerwiseScore(Score):
    """A score that looks at each layer of a group by itself.

    Args:
        aggregate: How the numbers of the layers become the group's: their mean, sum or greatest. The same is done with
            the entries of one layer that a unit owns.
        normalize: What each layer's numbers are divided by first, so that layers of different scale can be compared:
            "none", their "mean" or their "max".

    Raises:
        SettingError: A setting is none of these words.
    """

    aggregate: Literal["mean", "sum", "max"] = "mean"
    normalize: Literal["none", "mean", "max"] = "none"

    def __post_init__(self) -> None:
        for name, choices in (("aggregate", ("mean", "sum", "max")), ("normalize", ("none", "mean", "max"))):
            if getattr(self, name) not in choices:
                raise SettingError(
                    f"{name} is {getattr(self, name)!r}",
                    where=type(self).__name__,
                    fix=f"choose {' or '.join(choices)}",
                )

    def combined(self, parts: Iterable[tuple[Member, Tensor]]) -> Tensor | None:
        """Return one number a unit from what each layer says of the entries of an axis; None of no layer.

        Shape:
            parts: of each member (size of its axis,). Returns (units,).
        """
        worths = [self._normalized(self._aggregated(entries[member.indices], 1)) for member, entries in parts]
        return self._aggregated(torch.stack(worths), 0) if worths else None

    def _aggregated(self, numbers: Tensor, axis: int) -> Tensor:
        if self.aggregate == "max":
            return numbers.amax(axis)
        return numbers.sum(axis) if self.aggregate == "sum" else numbers.mean(axis)

    def _normalized(self, worth: Tensor) -> Tensor:
        if self.normalize == "none":
            return worth
        return worth / (worth.mean() if self.normalize == "mean" else worth.max()).clamp_min(1e-12)


def parameter_of(model: nn.Module, member: Member) -> Tensor:
    """Return a member's parameter, detached."""
    owner = model.get_submodule(member.layer) if member.layer else model
    tensor: Tensor = getattr(owner, member.parameter)
    return tensor.detach()


def rows_of(tensor: Tensor, member: Member) -> Tensor:
    """Return a parameter with the member's axis first and the rest flat: one row for each of what `indices` count."""
    if member.groups == 1:
        return tensor.movedim(member.axis, 0).flatten(1)
    return torch.cat([block.movedim(member.axis, 0).flatten(1) for block in tensor.chunk(member.groups)])


def require_images(images: int, where: str) -> None:
    """Refuse a number of images below 1.

    Raises:
        SettingError: It is.
    """
    if images < 1:
        raise SettingError(f"images is {images}", where=where, fix="choose at least 1")
