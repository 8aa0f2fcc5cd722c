"""What the layers of an engine do, counted on the calls of the source network that each stands for."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lissome.profiling.profile import Profile, Row
from lissome.timing.source_graph import Call

_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class LayerCost:
    """What one layer of an engine does.

    Args:
        calls: Names of the calls it stands for, as in a profile; none for what the engine put in itself.
        macs: Their multiply-adds.
        bytes_moved: float32 bytes that they read and write; what stays inside of a fused layer is not moved.
    """

    calls: tuple[str, ...]
    macs: int
    bytes_moved: int


def layer_costs(count: int, owners: Mapping[int, int], calls: Sequence[Call], cost: Profile) -> list[LayerCost]:
    """Return the cost of each of an engine's layers.

    Args:
        count: How many layers the engine has.
        owners: The engine's layer of each call.
        calls: The source network.
        cost: Its profile.
    """
    rows = rows_of(calls, cost)
    members: list[list[int]] = [[] for _ in range(count)]
    for number, layer in sorted(owners.items()):
        members[layer].append(number)
    readers: list[list[int]] = [[] for _ in calls]
    for number, call in enumerate(calls):
        for one in call.inputs:
            readers[one].append(number)
    return [_cost_of(mine, calls, rows, readers) for mine in members]


def rows_of(calls: Sequence[Call], cost: Profile) -> dict[int, Row]:
    """Return the profile's row of each call that has one: by name, the second call of a layer with its second row."""
    seen: Counter[str] = Counter()
    table: dict[tuple[str, int], Row] = {}
    for row in cost.rows:
        table[row.layer, seen[row.layer]] = row
        seen[row.layer] += 1
    seen.clear()
    found = {}
    for number, call in enumerate(calls):
        key = (call.layer, seen[call.layer])
        seen[call.layer] += 1
        if key in table:
            found[number] = table[key]
    return found


def _cost_of(
    mine: list[int], calls: Sequence[Call], rows: Mapping[int, Row], readers: Sequence[Sequence[int]]
) -> LayerCost:
    inside = set(mine)
    known = [rows[one] for one in mine if one in rows]
    moved = sum(row.bytes_moved for row in known)
    for one in mine:
        if one in rows and rows[one].bytes_moved:  # a view moves nothing
            within = [reader for reader in readers[one] if reader in inside]
            reads = sum(reader in rows and rows[reader].bytes_moved > 0 for reader in within)
            never_leaves = bool(within) and len(within) == len(readers[one])
            moved -= (reads + never_leaves) * math.prod(rows[one].output) * _FLOAT_BYTES
    return LayerCost(tuple(calls[one].layer for one in mine), sum(row.macs for row in known), max(moved, 0))
