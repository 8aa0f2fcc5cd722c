"""The calls of a network as lines: in order or sorted, folded by module, the most costly alone; as text or CSV."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Literal

from lissome.core.errors import SettingError
from lissome.core.names import choose
from lissome.core.text_table import render
from lissome.profiling.prediction import Prediction, RowTime
from lissome.profiling.row import Row

Convention = Literal["macs", "formula", "torchstat"]

_SUMS = ("params", "macs", "flops", "bytes_read", "bytes_written", "bytes_moved", "memory_bytes")
_TORCHSTAT = ("madd", "flops", "memory_read", "memory_written", "memory_read_written", "memory_mib")
_TIMES = ("ms", "compute_ms", "memory_ms")

# Heads of the text table, and the figure beneath each.
_COLUMNS: Mapping[Convention, Mapping[str, str]] = {
    "macs": {"params": "params", "MACs": "macs", "bytes": "bytes_moved", "FLOPs/byte": "flops_per_byte"},
    "formula": {"params": "params", "FLOPs": "flops", "bytes": "bytes_moved", "FLOPs/byte": "flops_per_byte"},
    "torchstat": {
        "params": "params",
        "memory MiB": "memory_mib",
        "MAdd": "madd",
        "Flops": "flops",
        "MemRead B": "memory_read",
        "MemWrite B": "memory_written",
        "MemR+W B": "memory_read_written",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One call, or several together.

    Args:
        name: Path of the layer or module, or name of the operator's node.
        kind: Class or operator, or how many calls these are.
        shape: Shape of the result of the last call.
        figures: Numbers by name.
        bound: What limits it on the device; empty without one.
        is_known: Whether all operations were counted.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    figures: Mapping[str, float]
    bound: str = ""
    is_known: bool = True


def listing(
    rows: Sequence[Row],
    prediction: Prediction | None,
    convention: Convention,
    *,
    sort: str | None = None,
    top: int | None = None,
    depth: int | None = None,
) -> tuple[Line, ...]:
    """Return the lines of a table.

    Args:
        rows: The calls.
        prediction: Their times on a device.
        convention: Which figures there are.
        sort: The figure by which the greatest come first; None keeps the order.
        top: So many lines at most, and one for all others.
        depth: Calls inside one module of this depth become one line.

    Raises:
        SettingError: A number is below 1.
        UnknownNameError: There is no such figure.
    """
    if min(top or 1, depth or 1) < 1 or 0 in (top, depth):
        raise SettingError(f"top is {top}, depth {depth}", where="table", fix="choose at least 1")
    times = prediction.rows if prediction else (None,) * len(rows)
    pairs = [
        pair for pair in zip(rows, times, strict=True) if convention != "torchstat" or pair[0].torchstat is not None
    ]
    groups: dict[object, list[tuple[Row, RowTime | None]]] = {}
    for place, pair in enumerate(pairs):
        groups.setdefault(place if depth is None else _module(pair[0], depth), []).append(pair)
    lines = [_line(group, None if depth is None else str(name)) for name, group in groups.items()]
    if sort is not None:
        if lines:
            choose(lines[0].figures, sort, "figure")
        lines.sort(key=lambda one: -one.figures[sort])
    if top is not None and len(lines) > top:
        lines = [*lines[:top], _together(f"{len(lines) - top} more", lines[top:])]
    return tuple(lines)


def table_of(lines: Sequence[Line], params: int, convention: Convention, *, title: str) -> str:
    """Return lines as a text table with their sum."""
    total = _together("total", lines)
    clocks = [
        (heads, figure)
        for heads, figure in ((("ms", "share"), "ms"), (("measured ms", "duration %"), "measured_ms"))
        if total.figures.get(figure)
    ]
    is_bound = bool(total.figures.get("ms"))
    columns = _COLUMNS[convention]
    whole = {**total.figures, "params": params}
    cells = [
        (
            *(one.name, one.kind if one.is_known else f"{one.kind} (not counted)", "x".join(map(str, one.shape))),
            *(_number(name, one.figures.get(name, 0)) for name in columns.values()),
            *((one.bound,) if is_bound else ()),
            *(cell for _, name in clocks for cell in _times(one.figures.get(name, 0), total.figures[name])),
        )
        for one in lines
    ]
    foot = (
        *("total", "", ""),
        *("" if name == "flops_per_byte" else _number(name, whole.get(name, 0)) for name in columns.values()),
        *(("",) if is_bound else ()),
        *(cell for _, name in clocks for cell in _times(total.figures[name], total.figures[name])),
    )
    timed = (*(("bound by",) if is_bound else ()), *(head for heads, _ in clocks for head in heads))
    heads = ("layer", "kind", "output", *columns, *timed)
    return render(heads, [*cells, foot], title=title, left=3)


def csv_of(lines: Sequence[Line]) -> str:
    """Return lines as comma-separated values, with a head."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(lines[0].figures) if lines else []
    writer.writerow(["layer", "kind", "output", *names, "bound_by", "is_known"])
    for one in lines:
        shape = "x".join(map(str, one.shape))
        writer.writerow([one.name, one.kind, shape, *one.figures.values(), one.bound, str(one.is_known).lower()])
    return text.getvalue()


def _module(row: Row, depth: int) -> str:
    """Return the module of that depth in which a call is; one outside of all modules stands for itself."""
    return ".".join(row.scope.split(".")[:depth]) if row.scope else row.layer


def _line(group: Sequence[tuple[Row, RowTime | None]], module: str | None) -> Line:
    rows = [row for row, _ in group]
    times = [time for _, time in group if time]
    figures: dict[str, float] = {name: sum(getattr(row, name) for row in rows) for name in _SUMS}
    stats = [row.torchstat.to_dict() for row in rows if row.torchstat]
    figures |= {name: sum(one[name] for one in stats) for name in _TORCHSTAT} if stats else {}
    figures |= {name: sum(getattr(time, name) for time in times) for name in _TIMES} if times else {}
    measured = [row.measured_ms for row in rows if row.measured_ms is not None]
    figures |= {"measured_ms": sum(measured)} if measured else {}
    flops = sum(row.flops for row in rows)
    figures["flops_per_byte"] = flops / figures["bytes_moved"] if figures["bytes_moved"] else 0.0
    alone = module is None or (len(rows) == 1 and rows[0].layer == module)
    return Line(
        name=rows[0].layer if module is None else module,
        kind=rows[0].kind if alone else f"{len(rows)} calls",
        shape=rows[-1].output,
        figures=figures,
        bound=_bound(times),
        is_known=all(row.is_known for row in rows),
    )


def _bound(times: Sequence[RowTime]) -> str:
    """Return the roof that most of the time is spent below."""
    limits = {one: sum(time.ms for time in times if time.bound == one) for one in ("compute", "memory")}
    return max(limits, key=limits.__getitem__) if any(limits.values()) else ""


def _together(name: str, lines: Sequence[Line]) -> Line:
    names = dict.fromkeys(figure for one in lines for figure in one.figures)
    figures = {figure: sum(one.figures.get(figure, 0) for one in lines) for figure in names}
    if "flops_per_byte" in figures:
        flops = sum(one.figures["flops_per_byte"] * one.figures["bytes_moved"] for one in lines)
        figures["flops_per_byte"] = flops / figures["bytes_moved"] if figures["bytes_moved"] else 0.0
    return Line(name=name, kind="", shape=(), figures=figures, is_known=all(one.is_known for one in lines))


def _number(name: str, value: float) -> str:
    return f"{value:,.2f}" if name in ("flops_per_byte", "memory_mib") else f"{value:,.0f}"


def _times(ms: float, total: float) -> tuple[str, str]:
    return f"{ms:.4f}", f"{ms / total:.1%}" if total else ""
