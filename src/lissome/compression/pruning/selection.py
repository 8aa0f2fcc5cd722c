"""Which layers shall select the channels they read, instead of reading all that others need."""

from collections.abc import Iterable, Sequence
from typing import Literal

from lissome.core.outcome import Note
from lissome.tracing.channel_map import ChannelMap
from lissome.tracing.groups import Group
from lissome.tracing.selections import Reader, find_readers

Selection = Literal["never", "where whole", "where shared"]

MACS_PER_BYTE = 8
"""Multiply-adds that must be saved for each byte moved: what a CPU core computes while its memory delivers a byte."""

_NUMBER_BYTES = 4


def choose_readers(
    channels: ChannelMap, groups: Sequence[Group], declined: Iterable[int], selection: Selection, keep: float
) -> tuple[list[Reader], list[Note]]:
    """Return the layers in front of which a selection pays, and a note for those where it would not.

    A selection saves multiply-adds of its reader and costs the bytes that it reads and writes; where the reader begins
    with a normalisation, which then works on fewer channels, those bytes are saved.

    Args:
        channels: What running the network on labels found.
        groups: Its groups.
        declined: Numbers of the groups that stay whole.
        selection: "where whole": readers of channels that stay in any case; "where shared": also of channels that
            several layers read.
        keep: Fraction of the channels that would be selected.
    """
    stays = {int(root) for number in declined for root in groups[number].units}
    shared = {
        int(root)
        for group in groups
        if selection == "where shared" and len(group.layers("consumes")) > 1
        for root in group.units
    }
    chosen, notes = [], []
    for reader in find_readers(channels):
        roots = set(channels.sets.roots(reader.ids).tolist())
        if not all(root in stays or root in shared or channels.sets.reason(root) is not None for root in roots):
            continue
        macs, moved = saved_and_moved(reader, keep)
        if macs >= MACS_PER_BYTE * moved:
            chosen.append(reader)
        else:
            reason = f"reads all channels: a selection would save {macs:,.0f} MACs and move {moved:,.0f} bytes more"
            notes.append(Note(reader.layer, reason, applied=False))
    return chosen, notes


def saved_and_moved(reader: Reader, keep: float) -> tuple[float, float]:
    """Return the multiply-adds that a selection saves, and the bytes it moves beyond those it saves, for one image."""
    channels = len(reader.ids) * reader.positions * _NUMBER_BYTES
    moved = 2 * keep * channels - 2 * (1 - keep) * channels * min(1, reader.norms)
    return (1 - keep) * reader.macs, max(0.0, moved)
