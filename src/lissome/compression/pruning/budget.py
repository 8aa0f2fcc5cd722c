"""How many channels each group keeps when the network has so much time, or so many multiply-adds, and no more."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from lissome.core.errors import SettingError
from lissome.profiling.latency_table import LatencyTable, structure_key
from lissome.profiling.layer_kinds import LayerKind, kinds_in
from lissome.profiling.profile import profile
from lissome.tracing.groups import Group


@dataclass(frozen=True, slots=True)
class Shares:
    """What one axis of a layer's weight loses with the units of groups.

    Args:
        channels: Entries of the axis in full.
        entries: For groups by their number, entries that each unit owns.
    """

    channels: int
    entries: Mapping[int, int]

    def left(self, counts: Sequence[int], groups: Sequence[Group]) -> int:
        """Return how many entries stay when so many units of each group do."""
        return self.channels - sum(
            (len(groups[number]) - counts[number]) * each for number, each in self.entries.items()
        )


@dataclass(frozen=True, slots=True)
class LayerCost:
    """What one call of a layer costs, by its widths.

    Args:
        reads: The weight's input axis.
        makes: The weight's output axis.
        of: Cost by the numbers of channels read and made.
    """

    reads: Shares
    makes: Shares
    of: Callable[[int, int], float]

    def at(self, counts: Sequence[int], groups: Sequence[Group]) -> float:
        """Return the cost when so many units of each group stay."""
        return self.of(self.reads.left(counts, groups), self.makes.left(counts, groups))

    @property
    def groups(self) -> set[int]:
        """Numbers of the groups it depends on."""
        return set(self.reads.entries) | set(self.makes.entries)


@dataclass(frozen=True, slots=True)
class NetworkCost:
    """What a network costs, by how many units of each group stay.

    Args:
        groups: The groups.
        layers: Those calls whose cost depends on them.
        rest: Cost of everything else.
        unit: "ms" or "MACs".
    """

    groups: Sequence[Group]
    layers: Sequence[LayerCost]
    rest: float
    unit: str

    def at(self, counts: Sequence[int]) -> float:
        """Return the cost when so many units of each group stay."""
        return self.rest + sum(one.at(counts, self.groups) for one in self.layers)

    def saved(self, number: int, count: int, counts: Sequence[int]) -> float:
        """Return what is saved when one group goes from the units it has to fewer."""
        fewer = [*counts]
        fewer[number] = count
        touched = [one for one in self.layers if number in one.groups]
        return sum(one.at(counts, self.groups) - one.at(fewer, self.groups) for one in touched)


def macs_cost(model: nn.Module, inputs: tuple[Tensor, ...], groups: Sequence[Group]) -> NetworkCost:
    """Return the multiply-adds of a network by the units that stay."""
    cost = profile(model, inputs)
    shares = _shares(model, groups)
    layers = []
    for row in cost.rows:
        if row.macs and row.layer in shares:
            reads, makes = shares[row.layer]
            each = row.macs / (reads.channels * makes.channels)
            layers.append(LayerCost(reads, makes, partial(_product, each)))
    full = [len(one) for one in groups]
    return NetworkCost(groups, layers, cost.macs - sum(one.at(full, groups) for one in layers), "MACs")


def latency_cost(
    model: nn.Module, inputs: tuple[Tensor, ...], groups: Sequence[Group], table: LatencyTable
) -> NetworkCost:
    """Return the milliseconds of a network by the units that stay, as a measured table says.

    What the network takes beyond the layers of the table, measured with it, does not change.

    Raises:
        SettingError: The table lacks a layer.
    """
    cost = profile(model, inputs)
    shares = _shares(model, groups)
    layers = [
        LayerCost(*shares[row.layer], partial(_measured, table, kind)) for row, kind, _, _ in kinds_in(model, cost)
    ]
    whole = table.times().networks.get(structure_key(model, cost), 0.0)
    full = [len(one) for one in groups]
    known = sum(one.at(full, groups) for one in layers)
    return NetworkCost(groups, layers, max(0.0, whole - known), "ms")


def _product(each: float, reads: int, makes: int) -> float:
    return each * reads * makes


def _measured(table: LatencyTable, kind: LayerKind, reads: int, makes: int) -> float:
    if kind.groups == 0:
        return table.lookup(kind, makes, makes)
    # The weight of a grouped layer has the inputs of one group.
    return table.lookup(kind, reads * kind.groups, makes)


def _shares(model: nn.Module, groups: Sequence[Group]) -> dict[str, tuple[Shares, Shares]]:
    """Return what each layer's weight loses along the axis it reads and the axis it makes."""
    entries: dict[str, tuple[dict[int, int], dict[int, int]]] = {}
    for number, group in enumerate(groups):
        for member in group.members:
            if member.parameter == "weight":
                reads, makes = entries.setdefault(member.layer, ({}, {}))
                (reads if member.role == "consumes" else makes)[number] = member.indices.shape[1] // member.groups
    found = {}
    for path, layer in model.named_modules():
        if isinstance(layer, _ConvNd | nn.Linear):
            rows, columns = layer.weight.shape[:2]
            in_axis, out_axis = (rows, columns) if isinstance(layer, _ConvTransposeNd) else (columns, rows)
            reads, makes = entries.get(path, ({}, {}))
            found[path] = Shares(in_axis, reads), Shares(out_axis, makes)
    return found


def within_budget(
    cost: NetworkCost, worth: Sequence[Tensor | None], allowed: Sequence[Sequence[int]], keep: float
) -> list[int]:
    """Return how many units each group keeps, so that the cost falls to a share and the least worth is lost.

    Again and again the cut is made that loses least worth for what it saves, to any of the counts allowed, not to the
    next one only: on a staircase the next few channels save nothing, and one more saves much. A channel's worth counts
    as a share of its group's mean, so that groups can be compared.

    Args:
        cost: What the network costs by the units that stay.
        worth: What the units of each group are worth, (units,); None for groups that stay whole.
        allowed: The counts that each group may have, any order.
        keep: Share of the cost that stays, (0, 1].

    Raises:
        SettingError: So little cannot be reached with the counts allowed.
    """
    counts = [len(group) for group in cost.groups]
    budget = keep * cost.at(counts)
    sums = [None if one is None else _sums_of_least(one) for one in worth]
    while (left := cost.at(counts)) > budget * (1 + 1e-9):
        best: tuple[float, int, int] | None = None
        for number, lost in enumerate(sums):
            for count in allowed[number] if lost is not None else ():
                if count >= counts[number]:
                    continue
                assert lost is not None
                saved = cost.saved(number, count, counts)
                if saved <= 0:
                    continue
                units = len(cost.groups[number])
                loses = float(lost[units - count] - lost[units - counts[number]])
                # What is saved beyond the budget is worth nothing.
                candidate = (loses / min(saved, left - budget), number, count)
                best = candidate if best is None or candidate < best else best
        if best is None:
            saved_share = 1 - left * keep / budget
            raise SettingError(
                f"no more than {saved_share:.0%} of the {cost.unit} can be saved",
                where="PruneChannels",
                fix="raise keep, lower multiple_of, or skip less",
            )
        counts[best[1]] = best[2]
    return counts


def _sums_of_least(worth: Tensor) -> Tensor:
    """Return what is lost with the n least units, for n from 0, as shares of the mean."""
    shares = (worth.double() / worth.double().mean().clamp_min(1e-12)).sort().values
    return torch.cat([torch.zeros(1, dtype=torch.float64), shares.cumsum(0)])
