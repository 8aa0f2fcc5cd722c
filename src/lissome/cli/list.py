"""The command that lists what there is."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from lissome.cli.options import AsJson, show

Table = Annotated[str, typer.Argument(help="models, steps, runtimes or devices.")]


def list_table(table: Table, *, as_json: AsJson = False) -> None:
    """List what there is: models, steps, runtimes, devices."""
    from lissome.core.names import choose
    from lissome.core.text_table import render

    rows = choose(_TABLES, table, "table")()
    columns = list(rows[0])
    text = render(columns, [[_cell(row[column]) for column in columns] for row in rows])
    show(text, rows, as_json=as_json)


def _models() -> list[dict[str, Any]]:
    from lissome.models.catalog import CATALOG

    names = ("family", "year", "params", "macs", "top1")
    return [
        {"name": name, **{one: getattr(entry, one) for one in names}, "input": [1, *entry.input], "paper": entry.paper}
        for name, entry in CATALOG.items()
    ]


def _steps() -> list[dict[str, Any]]:
    from lissome.core.names import load_attribute
    from lissome.tables import STEPS

    docs = {name: inspect.getdoc(load_attribute(path)) or "" for name, path in STEPS.items()}
    return [{"name": name, "purpose": text.splitlines()[0]} for name, text in docs.items()]


def _runtimes() -> list[dict[str, Any]]:
    from lissome.cli.doctor import engines

    return engines()


def _devices() -> list[dict[str, Any]]:
    from lissome.devices.catalog import DEVICES

    rows = []
    for name, device in DEVICES.items():
        peaks = {
            f"{one}_gflops_per_s": peak / 1e9 if (peak := device.peak_flops_per_s.get(one)) else None
            for one in ("float32", "float16", "int8")
        }
        bandwidth = {"gb_per_s": device.bytes_per_s / 1e9, "channel_multiple": device.channel_multiple}
        rows.append({"name": name, "kind": device.kind, **peaks, **bandwidth, "title": device.title})
    return rows


def _cell(value: object) -> str:
    if isinstance(value, list | dict):
        return ("x" if all(isinstance(one, int) for one in value) and value else ", ").join(map(str, value))
    if isinstance(value, float):
        return f"{value:,.6g}" if value < 10_000 else f"{value:,.0f}"
    if isinstance(value, int) and value > 9999:
        return f"{value:,}"
    return "" if value is None else str(value)


_TABLES: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "models": _models,
    "steps": _steps,
    "runtimes": _runtimes,
    "devices": _devices,
}
