"""What every benchmark writes down beside its figures."""

import importlib.metadata
import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lissome.core.files import write_text
from lissome.timing.machine import describe_machine

RESULTS = Path(__file__).parent / "results"


def machine_and_versions(*packages: str) -> dict[str, Any]:
    """Return the machine, and the versions of lissome, torch and the packages named."""
    versions = {name: importlib.metadata.version(name) for name in ("lissome", "torch", *packages)}
    return {"machine": describe_machine(), "versions": {"python": platform.python_version(), **versions}}


def write_result(name: str, table: dict[str, Any], folder: Path = RESULTS) -> None:
    """Write `NAME.json`, whole or not at all."""
    write_text(folder / f"{name}.json", json.dumps(table, indent=1) + "\n")


def read_result(name: str, folder: Path = RESULTS) -> dict[str, Any]:
    """Return what an earlier run has written to `NAME.json`; {} where none has."""
    path = folder / f"{name}.json"
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return result


def write_section(page: str, name: str, text: str) -> None:
    """Put text between ``<!-- NAME -->`` and ``<!-- end of NAME -->`` of `docs/PAGE`."""
    path = Path(__file__).parent.parent / "docs" / page
    before, _, rest = path.read_text(encoding="utf-8").partition(f"<!-- {name} -->\n")
    _, _, after = rest.partition(f"<!-- end of {name} -->")
    write_text(path, f"{before}<!-- {name} -->\n\n{text.strip()}\n\n<!-- end of {name} -->{after}")


def cell(folder: Path, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return a cell that a folder has from an earlier run, or make and keep it."""
    path = folder / f"{''.join(one if one.isalnum() else '_' for one in name)}.json"
    if path.is_file():
        done: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return done
    made = make()
    write_text(path, json.dumps(made, indent=1))
    return made
