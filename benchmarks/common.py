"""What every benchmark writes down beside its figures."""

import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Any

from lissome.core.files import write_text
from lissome.timing.machine import describe_machine

RESULTS = Path(__file__).parent / "results"


def machine_and_versions(*packages: str) -> dict[str, Any]:
    """Return the machine, and the versions of lissome, torch and the packages named."""
    versions = {name: importlib.metadata.version(name) for name in ("lissome", "torch", *packages)}
    return {"machine": describe_machine(), "versions": {"python": platform.python_version(), **versions}}


def write_result(name: str, table: dict[str, Any]) -> None:
    """Write `results/NAME.json`, whole or not at all."""
    write_text(RESULTS / f"{name}.json", json.dumps(table, indent=1) + "\n")
