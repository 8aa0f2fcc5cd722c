"""The rooms keep their order: see .importlinter."""

from pathlib import Path

from importlinter.api import read_configuration
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

import lissome


def test_the_import_contracts_are_kept(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    status = lint_imports(config_filename=".importlinter", no_cache=True, no_logo=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_engines_with_an_adapter_are_under_contract(root, monkeypatch):
    from lissome.runtimes.table import RUNTIMES, get_runtime

    monkeypatch.chdir(root)
    contracts = {one["name"]: one for one in read_configuration(".importlinter")["contracts_options"]}
    protected = set(contracts["Engines are imported in runtimes alone"]["forbidden_modules"])
    assert {get_runtime(name).module for name in RUNTIMES} - {"torch"} <= protected


def test_every_room_is_described(root):
    text = (root / "ARCHITECTURE.md").read_text()
    rooms = [one.parent.name for one in Path(lissome.__file__).parent.glob("*/__init__.py")]
    assert [room for room in rooms if f"| `{room}` |" not in text] == []
