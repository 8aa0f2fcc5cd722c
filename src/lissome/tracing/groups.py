"""Groups: the channels of a network that the same layers make, read and scale; what is cut is cut in all of them."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.modules.conv import _ConvNd

from lissome.tracing.channel_map import ChannelMap, ParameterSlice, Role

Numbers = npt.NDArray[np.int64]

_OF_LAYERS = ("weight", "bias", "running_mean", "running_var", "weight_scale", "index")


@dataclass(frozen=True, slots=True)
class Member:
    """One axis of one parameter that is cut with its group.

    Args:
        layer: Path of the layer.
        parameter: Name within the layer.
        axis: Axis of the parameter.
        role: Whether the layer makes, selects, reads or scales the channels.
        indices: What each unit owns of the axis, shape (units, entries a unit).
        dimensions: How many axes the parameter has: 1 for a bias, more for a weight.
        groups: Into how many blocks the first axis falls of which each has the second axis for itself; `indices` then
            count through those of all blocks, one after the other.
    """

    layer: str
    parameter: str
    axis: int
    role: Role
    indices: Tensor
    dimensions: int
    groups: int = 1

    @property
    def path(self) -> str:
        """The parameter's path in the network."""
        return f"{self.layer}.{self.parameter}" if self.layer else self.parameter

    @property
    def name(self) -> str:
        """The layer's path; of a parameter that a block uses by itself, the parameter's."""
        return _name(self)


@dataclass(frozen=True, slots=True)
class Group:
    """Units of channels that are kept or removed one by one; each unit is cut from every member at once.

    Args:
        name: Path of the first layer that makes these channels.
        units: Representative id of each unit, shape (units,).
        members: Parameter axes they own.
    """

    name: str
    units: Tensor
    members: tuple[Member, ...]

    def __len__(self) -> int:
        return len(self.units)

    @property
    def producers(self) -> tuple[Member, ...]:
        """The weights that make the channels."""
        return tuple(one for one in self.members if one.role == "produces" and one.dimensions > 1)

    @property
    def weights(self) -> tuple[Member, ...]:
        """The weights that make the channels; where a selection picks them, those that read them."""
        return self.producers or tuple(one for one in self.members if one.role == "consumes")

    @property
    def is_selected(self) -> bool:
        """Whether a selection picks the channels, so that nothing but their readers changes with them."""
        return not self.producers

    @property
    def channels_a_unit(self) -> int:
        """How many output channels of its widest producer a unit holds."""
        return max(one.indices.shape[1] for one in self.members if _is_making(one))

    @property
    def channels(self) -> int:
        """How many output channels of its widest producer the group holds."""
        return len(self) * self.channels_a_unit

    def layers(self, role: Role) -> tuple[str, ...]:
        """Return the paths of the layers with a role, in the order of the network."""
        return tuple(dict.fromkeys(one.name for one in self.members if one.role == role))

    def to_dict(self) -> dict[str, Any]:
        """Return the group as plain values."""
        roles: tuple[Role, ...] = ("produces", "selects", "scales", "consumes")
        return {
            "name": self.name,
            "units": len(self),
            "channels_a_unit": self.channels_a_unit,
            **{role: list(self.layers(role)) for role in roles if role != "selects" or self.is_selected},
        }

    def __str__(self) -> str:
        title = f"{self.name}: {len(self)} units of {self.channels_a_unit}"
        roles: tuple[Role, ...] = ("produces", "selects", "scales", "consumes")
        rows = [f"  {role:<8} {', '.join(self.layers(role))}" for role in roles if self.layers(role)]
        return "\n".join([title, *rows])


@dataclass(frozen=True, slots=True)
class Whole:
    """Layers whose channels must all stay, and why."""

    layers: tuple[str, ...]
    reason: str


def _name(part: "Member | ParameterSlice") -> str:
    return part.layer if part.layer and part.parameter in _OF_LAYERS else part.path


def _is_making(member: Member) -> bool:
    return member.role == "selects" or (member.role == "produces" and member.dimensions > 1)


_INDIVISIBLE = "its channels go together or not at all"


def groups_of(channels: ChannelMap) -> tuple[list[Group], list[Whole]]:
    """Return the groups that can be pruned, and the layers that must stay whole with the reason.

    Units belong to one group when they own equally many entries of the same parameter axes.
    """
    slices = list(channels.slices.values())
    if not slices:
        return [], []
    table = channels.sets.roots(torch.arange(len(channels.sets))).numpy()
    roots, numbers = np.unique(np.concatenate([table[one.labels.numpy()] for one in slices]), return_inverse=True)
    owners = np.split(numbers, np.cumsum([len(one.labels) for one in slices])[:-1])
    reasons = [channels.sets.reason(root) for root in roots.tolist()]
    whole = _frozen(channels, owners, reasons)
    classes = _classes(owners, np.array([one is not None for one in reasons]))
    groups = []
    for number, members in _members(channels, owners, classes).items():
        made = [one for one in members if _is_making(one)]
        units = torch.from_numpy(roots[classes == number])
        if made and len(units) > 1:
            groups.append(Group(made[0].name, units, tuple(members)))
        elif made:
            whole[_INDIVISIBLE].update(dict.fromkeys(one.name for one in made))
    return groups, [Whole(tuple(layers), reason) for reason, layers in whole.items()]


def _frozen(
    channels: ChannelMap, owners: list[Numbers], reasons: list[str | None]
) -> defaultdict[str, dict[str, None]]:
    """Return, for each reason, the layers that make channels which must stay; depthwise ones count as making them."""
    whole: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for piece, owner in zip(channels.slices.values(), owners, strict=True):
        depthwise = piece.role == "scales" and isinstance(channels.layer(piece.layer), _ConvNd)
        if piece.role in ("produces", "selects") or depthwise:
            for reason in dict.fromkeys(reasons[number] for number in owner.tolist()):
                if reason is not None:
                    whole[reason].setdefault(_name(piece))
    return whole


def _classes(owners: list[Numbers], frozen: npt.NDArray[np.bool_]) -> Numbers:
    """Return a class for each root: equal for those that own equally many entries of the same slices; 0 if frozen."""
    classes = (~frozen).astype(np.int64)
    for owner in owners:
        present, counts = np.unique(owner, return_counts=True)
        present, counts = present[~frozen[present]], counts[~frozen[present]]
        _, refined = np.unique(classes[present] * (len(owner) + 1) + counts, return_inverse=True)
        classes[present] = classes.max() + 1 + refined
    return classes


def _members(channels: ChannelMap, owners: list[Numbers], classes: Numbers) -> defaultdict[int, list[Member]]:
    """Return what each class owns; the rows of `indices` are in the order of its roots."""
    members: defaultdict[int, list[Member]] = defaultdict(list)
    for piece, owner in zip(channels.slices.values(), owners, strict=True):
        dimensions = getattr(channels.layer(piece.layer), piece.parameter).dim()
        order = np.lexsort((owner, classes[owner]))
        found, starts = np.unique(classes[owner][order], return_index=True)
        for number, places in zip(found.tolist(), np.split(order, starts[1:]), strict=True):
            if number:
                indices = torch.from_numpy(places.reshape(len(np.unique(owner[places])), -1))
                place = (piece.layer, piece.parameter, piece.axis, piece.role)
                members[number].append(Member(*place, indices, dimensions, piece.groups))
    return members
