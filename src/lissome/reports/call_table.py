"""Every call of a network in one table, and its modules in another."""

from collections.abc import Mapping, Sequence
from typing import Any

from lissome.reports.elements import Cell, Content, Fold, Rows, Table
from lissome.reports.figures import count, decimal, milliseconds, number_at

_MOST_MODULES = 30
_DEEPEST = 6

Row = Mapping[str, Any]


def call_content(labels: Sequence[str], rows: Sequence[Row]) -> tuple[Content, ...]:
    """Return the modules, and all calls, as tables that open on a click.

    Args:
        labels: A name for each row.
        rows: The profile's rows, each with its time on the device where there is one.
    """
    if not rows:
        return ()
    modules = [(name, f"{len(group)} calls", group) for name, group in _modules(labels, rows)]
    calls = [(label, str(row.get("kind", "")), [row]) for label, row in zip(labels, rows, strict=True)]
    is_timed = any("ms" in row for row in rows)
    return (
        Fold(
            title="By module",
            badges=(f"{len(modules)} modules",),
            content=(_table("Module", modules, is_timed=is_timed),),
        ),
        Fold(
            title="Every call, element-wise ones too",
            badges=(f"{len(calls)} calls",),
            content=(_table("Layer", calls, is_timed=is_timed),),
        ),
    )


def _modules(labels: Sequence[str], rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Return the calls by module, at the greatest depth at which the modules fit on a screen."""
    best: dict[str, list[Row]] = {}
    for depth in range(1, _DEEPEST + 1):
        groups: dict[str, list[Row]] = {}
        for label, row in zip(labels, rows, strict=True):
            scope = str(row.get("scope") or "")
            groups.setdefault(".".join(scope.split(".")[:depth]) if scope else label, []).append(row)
        if best and len(groups) > _MOST_MODULES:
            break
        best = groups
    return list(best.items())


def _table(head: str, lines: Sequence[tuple[str, str, Sequence[Row]]], *, is_timed: bool) -> Table:
    columns = ("Parameters", "MACs", "FLOPs", "KiB moved", "FLOPs/byte")
    lists = tuple((Cell(name), Cell(kind), *_cells(group, is_timed=is_timed)) for name, kind, group in lines)
    every = [row for _, _, group in lines for row in group]
    return Table(
        columns=(head, "Kind", *columns, *(("Compute ms", "Memory ms", "ms") if is_timed else ())),
        groups=(Rows(lists),),
        left=2,
        totals=((Cell("Whole network"), Cell(""), *_cells(every, is_timed=is_timed)),),
        sortable=True,
    )


def _cells(rows: Sequence[Row], *, is_timed: bool) -> list[Cell]:
    params, macs, flops, moved = (_sum(rows, name) for name in ("params", "macs", "flops", "bytes_moved"))
    intensity = flops / moved if moved else 0.0
    cells = [Cell(count(value), value) for value in (params, macs, flops, moved / 1024)]
    cells.append(Cell(decimal(intensity, 2), intensity))
    if is_timed:
        cells += [Cell(milliseconds(value), value) for value in (_sum(rows, one) for one in _TIMES)]
    return cells


_TIMES = ("compute_ms", "memory_ms", "ms")


def _sum(rows: Sequence[Row], name: str) -> float:
    return sum(number_at(row, name) or 0 for row in rows)
