"""What each layer costs, before and after."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lissome.reports.charts import layer_bars
from lissome.reports.elements import Cell, Chart, Charts, Content, Fold, Rows, Table
from lissome.reports.figures import at, count, number_at, percent

Row = Mapping[str, Any]
Measure = Callable[[Row], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCost:
    """One call of a layer, in both networks.

    Args:
        label: Path of the layer; a second call of it has a number behind.
        before: Its row in the original's profile; None where it was added, or where there is one network only.
        after: Its row in the compressed network's profile; None where it was removed.
    """

    label: str
    before: Row | None
    after: Row | None

    @property
    def row(self) -> Row:
        """The row there is, the later one if both are."""
        return self.after or self.before or {}

    @property
    def multiplies(self) -> bool:
        """Whether it has MACs in either network."""
        return any(self.pair(_macs))

    def pair(self, measure: Measure) -> tuple[float | None, float | None]:
        """Return a figure before and after."""
        return (measure(self.before) if self.before else None, measure(self.after) if self.after else None)


def layer_content(original: Any, compressed: Any) -> tuple[Content, ...]:
    """Return bars and a sortable table of the layers that multiply, with the rest in one row.

    Args:
        original: A profile as a dict, or None.
        compressed: A profile as a dict, or None; with one of them the figures are of one network.
    """
    if not compressed:
        original, compressed = None, original
    costs = match_layers(original, compressed)
    if not costs:
        return ()
    computing = [one for one in costs if one.multiplies] or costs
    others = [one for one in costs if not one.multiplies] if computing is not costs else []
    share = "MACs left" if original else "Share of MACs"
    total = None if original else number_at(compressed, "macs")
    table = Table(
        columns=("Layer", "Kind", "Channels in", "Channels out", "Parameters", "MACs", share, "KiB moved"),
        groups=(Rows(tuple(_table_row(one, total) for one in computing)),),
        left=2,
        totals=_totals(original, compressed, others),
        sortable=True,
    )
    names = f"{len(computing)} layers that multiply" if others else f"{len(computing)} layers"
    return (
        Charts(_charts(computing, is_pair=bool(original))),
        Fold(title="All figures, layer by layer", badges=(names,), content=(table,), is_open=True),
    )


def match_layers(original: Any, compressed: Any) -> list[LayerCost]:
    """Return the calls of both profiles, matched by path, in the original's order; new ones behind.

    Example:
        >>> row = {"layer": "conv", "macs": 9}
        >>> match_layers({"rows": [row, row]}, {"rows": [row]})[1].label
        'conv (2)'
    """
    before, after = _labelled(original), _labelled(compressed)
    labels = dict.fromkeys((*before, *after))
    return [LayerCost(label=label, before=before.get(label), after=after.get(label)) for label in labels]


def _labelled(profile: Any) -> dict[str, Row]:
    calls: Counter[str] = Counter()
    rows = {}
    for row in at(profile, "rows") or ():
        path = str(row.get("layer", ""))
        calls[path] += 1
        rows[path if calls[path] == 1 else f"{path} ({calls[path]})"] = row
    return rows


def _macs(row: Row) -> float | None:
    return number_at(row, "macs")


def _params(row: Row) -> float | None:
    return number_at(row, "params")


def _kib_moved(row: Row) -> float | None:
    moved = number_at(row, "bytes_moved")
    return None if moved is None else moved / 1024


def _channels_out(row: Row) -> float | None:
    return _channels(row.get("output"))


def _channels_in(row: Row) -> float | None:
    inputs = row.get("inputs")
    return _channels(inputs[0]) if inputs else None


def _channels(shape: Any) -> float | None:
    return shape[1] if shape and len(shape) > 1 else None


def _charts(costs: list[LayerCost], *, is_pair: bool) -> tuple[Chart, ...]:
    measures = {
        "Multiply-adds (MACs)": _macs,
        "Parameters": _params,
        "Channels out": _channels_out,
        "KiB moved, as float32": _kib_moved,
    }
    charts = []
    for title, measure in measures.items():
        pairs = [one.pair(measure) for one in costs]
        series = {"compressed" if is_pair else "network": [after for _, after in pairs]}
        if is_pair:
            series = {"original": [before for before, _ in pairs]} | series
        charts.append(layer_bars(title, [one.label for one in costs], series))
    return tuple(charts)


def _table_row(cost: LayerCost, total: float | None) -> tuple[Cell, ...]:
    before, after = cost.pair(_macs)
    whole = total or before
    share = (after or 0) / whole if whole else None
    measures = (_channels_in, _channels_out, _params, _macs)
    return (
        Cell(cost.label),
        Cell(str(cost.row.get("kind", ""))),
        *(_change(*cost.pair(measure)) for measure in measures),
        Cell(percent(share, 1), share),
        _change(*cost.pair(_kib_moved)),
    )


def _change(before: float | None, after: float | None) -> Cell:
    if before is None or before == after:
        return Cell(count(after), after)
    if after is None:
        return Cell("gone", 0.0, before=count(before))
    return Cell(count(after), after, before=count(before))


def _totals(original: Any, compressed: Any, others: list[LayerCost]) -> tuple[tuple[Cell, ...], ...]:
    """Return the rows at the foot: what the rows above leave out, and the sums."""
    rows = []
    if others:
        sums = [_change(*_sums(others, measure)) for measure in (_params, _macs, _kib_moved)]
        rows.append(_foot(f"Everything else, {len(others)} calls", *sums))
    networks = [one or {} for one in (original, compressed)]
    sums = [_change(*(measure(one) for one in networks)) for measure in (_params, _macs, _kib_moved)]
    rows.append(_foot("Whole network", *sums))
    return tuple(rows)


def _foot(label: str, params: Cell, macs: Cell, kib_moved: Cell) -> tuple[Cell, ...]:
    return (Cell(label), Cell(""), Cell(""), Cell(""), params, macs, Cell(""), kib_moved)


def _sums(costs: list[LayerCost], measure: Measure) -> tuple[float | None, float | None]:
    pairs = [one.pair(measure) for one in costs]
    sums = [[value for value in side if value is not None] for side in zip(*pairs, strict=True)]
    before, after = (sum(side) if side else None for side in sums)
    return before, after
