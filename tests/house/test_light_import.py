"""Nothing heavy is loaded before it is needed: seen in a process of its own."""

import json
import subprocess
import sys

import pytest

from lissome.cli.app import app

HEAVY = {"torch", "numpy", "onnx", "onnxruntime", "ncnn", "pnnx", "PIL", "plotly", "jinja2", "safetensors"}
SECONDS = 0.3

PROGRAM = """
import json, sys, time
before, started = set(sys.modules), time.process_time()
try:
    {work}
except SystemExit as end:
    assert not end.code, end.code
seconds = time.process_time() - started
loaded = sorted({{name.partition(".")[0] for name in set(sys.modules) - before}} - sys.stdlib_module_names)
sys.stderr.write(json.dumps([seconds, loaded]))
"""


def _seen(work, *arguments, processes=1):
    """Run the work in new processes; return the least processor time, the packages loaded, and what was printed."""
    command = [sys.executable, "-c", PROGRAM.format(work=work), *arguments]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(processes)]
    seconds, loaded = zip(*(json.loads(one.stderr) for one in runs), strict=True)
    return min(seconds), set(loaded[0]), runs[0].stdout


def test_import_loads_the_standard_library_alone():
    seconds, loaded, _ = _seen("import lissome", processes=3)
    assert loaded == {"lissome"}
    assert seconds < SECONDS


def test_help_is_quick():
    seconds, loaded, text = _seen("import lissome.cli; lissome.cli.main()", "--help", processes=3)
    assert "Usage: lissome" in text
    assert loaded & HEAVY == set()
    assert seconds < SECONDS


@pytest.mark.parametrize("command", [one.name or one.callback.__name__ for one in app.registered_commands])
def test_the_help_of_a_command_loads_nothing_heavy(command):
    _, loaded, text = _seen("import lissome.cli; lissome.cli.main()", command, "--help")
    assert f"Usage: lissome {command}" in text
    assert loaded & HEAVY == set()


@pytest.mark.parametrize(
    "work",
    [
        "import lissome.tables",
        "from lissome.models.catalog import CATALOG; CATALOG['resnet20']",
        "from lissome.artifacts.card import Card",
    ],
)
def test_tables_can_be_read_without_torch(work):
    _, loaded, _ = _seen(work)
    assert "torch" not in loaded


def test_names_load_on_first_use():
    _, loaded, _ = _seen("import lissome; lissome.Recipe")
    assert "torch" in loaded
    assert "onnxruntime" not in loaded
