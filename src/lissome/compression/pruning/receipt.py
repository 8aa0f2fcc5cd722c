"""What pruning says of each group: how many channels stay and went, or why none did."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from lissome.core.outcome import Note
from lissome.tracing.groups import Group, Whole


def notes_of(
    groups: Sequence[Group],
    declined: Mapping[int, str],
    keep: Mapping[int, Tensor],
    whole: Sequence[Whole],
) -> tuple[Note, ...]:
    """Return one note a group, and one for each reason why channels stay whole.

    Args:
        groups: Groups of channels.
        declined: For groups by their number, why they were not scored.
        keep: For groups that lose units by their number, which stay, shape (units,) bool.
        whole: Layers that belong to no group.
    """
    notes = []
    for number, group in enumerate(groups):
        if number in keep:
            left = int(keep[number].sum()) * group.channels_a_unit
            notes.append(Note(group.name, f"kept {left} of {group.channels} channels"))
        else:
            reason = declined.get(number, "nearest to the wanted width")
            notes.append(Note(group.name, f"all {group.channels} channels stay: {reason}", applied=False))
    notes += [Note(", ".join(one.layers), f"stays whole: {one.reason}", applied=False) for one in whole]
    return tuple(notes)


def cost_change(first: Mapping[str, Any], last: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters and multiply-adds before the first pruning and after the last."""
    return {
        "params_before": first["params_before"],
        "params": last["params"],
        "macs_before": first["macs_before"],
        "macs": last["macs"],
    }


def table_of(groups: Sequence[Group], keep: Mapping[int, Tensor]) -> list[dict[str, Any]]:
    """Return one row a group: its layers by what they do to the channels, channels kept and removed."""
    rows = []
    for number, group in enumerate(groups):
        units = int(keep[number].sum()) if number in keep else len(group)
        kept = units * group.channels_a_unit
        layers = {role: list(group.layers(role)) for role in ("produces", "scales", "consumes")}
        layers |= {"selects": list(group.layers("selects"))} if group.is_selected else {}
        rows.append({"group": group.name, "kept": kept, "removed": group.channels - kept, **layers})
    return rows
