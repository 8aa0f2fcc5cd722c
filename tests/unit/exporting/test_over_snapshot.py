import sys

import pytest
import torch
from torch import nn

from lissome.core.errors import ConversionError, EngineMissingError, TraceError
from lissome.exporting import over_snapshot
from lissome.exporting.converters import CONVERTERS, Examples
from lissome.exporting.over_snapshot import convert_in_child
from lissome.runtimes.litert import LiteRt

INPUTS = (torch.zeros(1, 3, 8, 8),)


@pytest.fixture
def runtime(monkeypatch):
    monkeypatch.setattr(LiteRt, "module", "json")  # as if it were installed
    return LiteRt()


def convert(runtime, folder, model=None, needs="json"):
    convert_in_child(runtime, model or nn.ReLU(), INPUTS, folder, needs=needs, package="litert-torch")


def test_a_missing_converter_says_the_pip_line(runtime, tmp_path):
    with pytest.raises(
        EngineMissingError, match=r"litert-torch, which converts for litert, .*pip install litert-torch"
    ):
        convert(runtime, tmp_path, needs="a_converter_that_nobody_has")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import sys; sys.exit('no such operator')", r"^litert converter: failed \(1\): no such operator"),
        ("import os; os.kill(os.getpid(), 11)", r"^litert converter: crashed with signal 11"),
        ("pass", r"^litert converter: wrote nothing"),
        ("while True: pass", r"^litert converter: took longer than 0\.5 s"),
    ],
)
def test_a_converter_that_fails_is_an_error_here(runtime, tmp_path, monkeypatch, program, message):
    monkeypatch.setattr(over_snapshot, "SECONDS", 0.5 if "while" in program else 20.0)
    run = over_snapshot.run_child
    monkeypatch.setattr(
        over_snapshot, "run_child", lambda words, *rest, **more: run([sys.executable, "-c", program], *rest, **more)
    )
    with pytest.raises(ConversionError, match=message):
        convert(runtime, tmp_path)


def test_a_network_that_cannot_be_traced_is_refused(runtime, tmp_path):
    class Branch(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(TraceError):
        convert(runtime, tmp_path, Branch())


@pytest.mark.parametrize("name", ["litert", "executorch"])
def test_free_rows_and_columns_are_refused(name, tmp_path):
    with pytest.raises(ConversionError, match=f"^{name}: has one size of input a file"):
        CONVERTERS[name](nn.ReLU(), Examples(INPUTS, (torch.zeros(1, 3, 9, 9),)), tmp_path)
