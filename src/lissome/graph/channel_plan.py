"""Decide in which order channels are written and read, and into which parts tensors are cut."""

from dataclasses import dataclass
from itertools import pairwise

from lissome.graph.channel_routes import Channel, Routes
from lissome.graph.free_channels import NOTHING, Chain, chain_above, chain_below
from lissome.graph.graph import Graph
from lissome.graph.rewrite import Refusal


@dataclass(frozen=True, slots=True)
class Order:
    """A new order of channels and who must be told.

    Args:
        chain: The layers.
        channels: For each new channel the old one, or `NOTHING` for zeros.
    """

    chain: Chain
    channels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How channels get where they are read.

    Args:
        orders: What to permute.
        pieces: For each source (by place) the sizes of the parts it is cut into.
        parts: For each tensor read outside, the (source, part) it is joined from.
        nodes: How many splits and concatenations that takes.
        channels_moved: How many channels those copy.
        stretches: In how many stretches they do.
    """

    orders: tuple[Order, ...]
    pieces: dict[int, tuple[int, ...]]
    parts: dict[str, tuple[tuple[int, int], ...]]
    nodes: int
    channels_moved: int
    stretches: int


def make_plan(graph: Graph, routes: Routes, align: int) -> Plan:
    """Sort the channels of each source by who reads them, and collect them for each reader.

    Args:
        graph: The graph.
        routes: Where each channel goes.
        align: What the engine likes channel counts to be a multiple of; zeros are added where that is free.
    """
    inside = set(routes.nodes)
    names = list(routes.sinks)
    below = {name: chain_below(graph, name, ignore=inside.__contains__) for name in names}
    above = [chain_above(graph, name, ignore=inside.__contains__) for name in routes.sources]
    readers = _readers(routes)
    written: list[list[int]] = [
        _sorted_by_reader(routes, source, readers[source], free=not isinstance(above[source], Refusal), below=below)
        for source in range(len(routes.sources))
    ]
    wanted = {name: list(routes.sinks[name]) for name in names}
    if align > 1:
        _add_zeros(routes, written, wanted, readers, above, below, align)
    places = [{channel: place for place, channel in enumerate(order)} for order in written]
    orders = [
        Order(chain, tuple(channel if channel >= 0 else NOTHING for channel in order))
        for chain, order in zip(above, written, strict=True)
        if not isinstance(chain, Refusal) and order != list(range(len(order)))
    ]
    runs: dict[str, list[tuple[int, int, int]]] = {}
    for name in names:
        chain = below[name]
        if not isinstance(chain, Refusal):
            old = {channel: place for place, channel in enumerate(routes.sinks[name])}
            if len(old) == len(routes.sinks[name]):
                wanted[name].sort(key=lambda one: (one[0], places[one[0]][one[1]]))
                order_of = tuple(old.get(one, NOTHING) for one in wanted[name])
                if order_of != tuple(range(len(order_of))):
                    orders.append(Order(chain, order_of))
        runs[name] = _runs([(source, places[source][channel]) for source, channel in wanted[name]])
    return _cut(tuple(orders), [len(order) for order in written], runs)


def _readers(routes: Routes) -> list[dict[int, tuple[int, ...]]]:
    """Return for each source which sinks read each channel."""
    found: list[dict[int, list[int]]] = [{} for _ in routes.sources]
    for number, channels in enumerate(routes.sinks.values()):
        for source, channel in channels:
            seen = found[source].setdefault(channel, [])
            if number not in seen:
                seen.append(number)
    return [{channel: tuple(seen) for channel, seen in one.items()} for one in found]


def _sorted_by_reader(
    routes: Routes, source: int, readers: dict[int, tuple[int, ...]], *, free: bool, below: dict[str, Chain | Refusal]
) -> list[int]:
    """Return the channels that anybody reads, in the order they are to be written."""
    if not free:
        return list(range(max(readers, default=-1) + 1))
    names = list(routes.sinks)

    def key(channel: int) -> tuple[tuple[int, ...], int]:
        # Where a reader needs its own order, follow the first of those.
        fixed = next((names[one] for one in readers[channel] if isinstance(below[names[one]], Refusal)), None)
        return readers[channel], routes.sinks[fixed].index((source, channel)) if fixed else channel

    return sorted(readers, key=key)


def _add_zeros(
    routes: Routes,
    written: list[list[int]],
    wanted: dict[str, list[Channel]],
    readers: list[dict[int, tuple[int, ...]]],
    above: list[Chain | Refusal],
    below: dict[str, Chain | Refusal],
    align: int,
) -> None:
    """Let each reader have a whole multiple of channels, the last source that only it reads writing zeros more."""
    fresh = -1
    for number, name in enumerate(wanted):
        lack = -len(wanted[name]) % align
        if not lack or isinstance(below[name], Refusal):
            continue
        for source in reversed(range(len(routes.sources))):
            own = [place for place, channel in enumerate(written[source]) if readers[source].get(channel) == (number,)]
            if not own or isinstance(above[source], Refusal):
                continue
            zeros = list(range(fresh - lack + 1, fresh + 1))
            fresh -= lack
            written[source][own[-1] + 1 : own[-1] + 1] = zeros
            wanted[name] += [(source, one) for one in zeros]
            break


def _runs(channels: list[Channel]) -> list[tuple[int, int, int]]:
    """Return (source, from, to) of the longest stretches of neighbours."""
    runs: list[tuple[int, int, int]] = []
    for source, place in channels:
        if runs and runs[-1][0] == source and runs[-1][2] == place:
            runs[-1] = (source, runs[-1][1], place + 1)
        else:
            runs.append((source, place, place + 1))
    return runs


def _cut(orders: tuple[Order, ...], widths: list[int], runs: dict[str, list[tuple[int, int, int]]]) -> Plan:
    edges = [{0, width} for width in widths]
    for one in runs.values():
        for source, start, end in one:
            edges[source] |= {start, end}
    pieces: dict[int, tuple[int, ...]] = {}
    index: list[dict[int, int]] = []
    for source, some in enumerate(edges):
        ordered = sorted(some)
        index.append({edge: place for place, edge in enumerate(ordered)})
        pieces[source] = tuple(b - a for a, b in pairwise(ordered))
    parts = {
        name: tuple((s, place) for s, start, end in one for place in range(index[s][start], index[s][end]))
        for name, one in runs.items()
    }
    splits = [sizes for sizes in pieces.values() if len(sizes) > 1]
    joins = {part: name for name, part in parts.items() if len(part) > 1}
    moved = sum(sum(sizes) for sizes in splits)
    moved += sum(pieces[source][place] for part in joins for source, place in part)
    stretches = sum(map(len, splits)) + sum(map(len, joins))
    return Plan(orders, pieces, parts, len(splits) + len(joins), moved, stretches)
