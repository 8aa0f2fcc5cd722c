import sys
import time
from pathlib import Path

import pytest

from lissome.core.child import run_child
from lissome.core.errors import ConversionError


def python(program, seconds=20.0):
    return run_child([sys.executable, "-c", program], Path(), seconds=seconds, where="tool")


def test_both_outputs_come_back():
    said = python("import sys; print('one', flush=True); print('two', file=sys.stderr)")
    assert said.split() == ["one", "two"]


def test_it_runs_in_its_folder(tmp_path):
    program = [sys.executable, "-c", "import os; print(os.getcwd())"]
    assert run_child(program, tmp_path, seconds=20, where="tool").strip() == str(tmp_path)


def test_a_failure_carries_the_last_line():
    with pytest.raises(ConversionError, match=r"^tool: failed \(3\): no such layer$"):
        python("import sys; print('no such layer'); print(); sys.exit(3)")


def test_a_crash_does_not_take_us_along():
    with pytest.raises(ConversionError, match=r"^tool: crashed with signal 11: it said nothing$"):
        python("import os; os.kill(os.getpid(), 11)")


def test_an_endless_loop_ends():
    started = time.monotonic()
    with pytest.raises(ConversionError, match=r"^tool: took longer than 0\.5 s$"):
        python("while True: pass", seconds=0.5)
    assert time.monotonic() - started < 10


def test_a_program_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ConversionError, match="cannot be started: No such file"):
        run_child([str(tmp_path / "absent")], tmp_path, seconds=1, where="tool")
