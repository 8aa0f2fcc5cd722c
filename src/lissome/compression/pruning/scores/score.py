"""What every score has in common."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from lissome.tracing.groups import Group, Member


class Score(ABC):
    """Says how much each unit of a group is worth; the least worthy are removed first."""

    __slots__ = ()

    @abstractmethod
    def of(self, group: Group, model: nn.Module, generator: torch.Generator) -> Tensor | None:
        """Return one number a unit, or None where this score says nothing about the group.

        Args:
            group: Channels that live and die together.
            model: The network they are of.
            generator: Whence randomness comes, if the score needs any.

        Shape:
            Returns (units,) float.
        """


def parameter_of(model: nn.Module, member: Member) -> Tensor:
    """Return a member's parameter, detached."""
    owner = model.get_submodule(member.layer) if member.layer else model
    tensor: Tensor = getattr(owner, member.parameter)
    return tensor.detach()


def per_unit(entries: Tensor, member: Member) -> Tensor:
    """Return the mean over the entries that each unit owns of an axis.

    Shape:
        entries: (size of the axis,). Returns (units,).
    """
    return entries[member.indices].mean(dim=1)
