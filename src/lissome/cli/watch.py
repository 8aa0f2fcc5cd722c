"""The command that shows a running search."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from lissome.cli.options import AsJson
from lissome.core.errors import RunError


def watch(
    run: Annotated[Path, typer.Argument(help="The folder of a search: OUT.run of `lissome compress`.")],
    *,
    page: Annotated[Path | None, typer.Option(help="Also write an HTML page that reads itself again.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Seconds between two looks.")] = 5,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a search while it runs: what was tried, the front so far, and the time; ends when the search does."""
    if not (run / "plan.json").is_file():
        raise RunError("holds no search", where=str(run), fix="give the folder that `lissome compress` names")
    import json

    from rich.console import Console
    from rich.live import Live

    from lissome.tuning.trials.snapshot import state_of

    if as_json:
        typer.echo(json.dumps(state_of(run), indent=2, ensure_ascii=False))
        return
    with Live(console=Console(), refresh_per_second=1) as live:
        while True:
            state = state_of(run)
            live.update(_table(state))
            if page:
                _write(page, state, every)
            if once or "verdict" in state:
                return
            time.sleep(every)


def _write(page: Path, state: dict[str, Any], every: int) -> None:
    from types import SimpleNamespace

    from lissome.reports.report import report

    ended = "verdict" in state
    report(page, SimpleNamespace(to_dict=lambda: state), refresh=0 if ended else every)


def _table(state: dict[str, Any]) -> Any:
    from rich.table import Table

    trials, finalists = state["trials"], state["finalists"]
    failed = sum(one["failed"] for one in trials)
    title = f"{state['name']}: {len(trials)} trials, {failed} declined, {state['seconds'] / 60:.1f} min"
    table = Table(title=title, caption=state.get("verdict", "it goes on"))
    for name in ("trial", "choices", "ms", "speed-up", "drop, points", "KiB", "limits"):
        table.add_column(name, justify="left" if name in ("trial", "choices", "limits") else "right")
    front = set(state["front"])
    shown = [one for one in (*finalists, *trials) if one["stage"] == "full" or one["number"] in front]
    last = [one for one in trials[-3:] if one not in shown]
    for one in (*shown, *last):
        choices = ", ".join(f"{name} {value}" for name, value in one["parameters"].items())
        name = f"{one['number']}{' full' if one['stage'] == 'full' else ''}"
        if one["failed"]:
            table.add_row(name, choices, "", "", "", "", one["reason"][:60])
            continue
        figures = one["figures"]
        table.add_row(
            name,
            choices,
            f"{figures['latency_ms']:.3f}",
            f"{figures['speedup']:.2f}x",
            f"{100 * figures['drop']:+.2f}",
            f"{figures['stored_kib']:.1f}",
            f"misses {', '.join(one['missed'])}" if one["missed"] else "kept",
        )
    return table
