"""lissome optimize: tables as text, one document as JSON, one line when refused."""

import json
import re
import sys
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from lissome.cli import main
from lissome.exporting.to_onnx import to_onnx


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file to optimize."""
    body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Identity(), nn.ReLU(), nn.Flatten(), nn.Linear(288, 2))
    to_onnx(body, (torch.zeros(1, 3, 8, 8),), tmp_path / "in.onnx")
    model = onnx.load(tmp_path / "in.onnx")
    model.graph.node.insert(0, onnx.helper.make_node("Identity", ["input"], ["same"]))
    model.graph.node[1].input[0] = "same"
    onnx.save(model, tmp_path / "in.onnx")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setattr(sys, "argv", ["lissome", *line.split()])
    main()


def test_explains_as_text(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, "optimize in.onnx --out out.onnx --explain --measure 0.1 --on onnxruntime")
    text = capsys.readouterr().out
    assert not stop.value.code
    assert re.search(r"Identity +1 +0", text)
    assert "eliminate_identities (remove nodes that change nothing): fired 1" in text
    assert "speed-up" in text
    assert len(onnx.load(folder / "out.onnx").graph.node) == 4


def test_json_is_one_document(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, "optimize in.onnx --out out.onnx --json --passes eliminate_identities")
    table = json.loads(capsys.readouterr().out)
    assert (table["nodes_before"], table["nodes_after"], table["out"]) == (5, 4, "out.onnx")
    assert table["parity"]["passed"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("none.onnx --out out.onnx", "no such file"),
        ("in.onnx --out out.txt", "ends in .onnx"),
        ("in.onnx --out out.onnx --measure 1", "add --on onnxruntime"),
        ("in.onnx --out out.onnx --on onnxruntimes", "did you mean 'onnxruntime'"),
        ("in.onnx --out out.onnx --passes fold_all", "fold_"),
        ("in.onnx --out out.onnx --weights w.pt", "leave it out"),
        ("resnet2O --out out.onnx", "resnet20"),
    ],
)
def test_bad_input_is_one_line(
    line: str, says: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, f"optimize {line}")
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert says in error
    assert len([one for one in error.splitlines() if one.startswith("lissome: ")]) == 1
    assert not (folder / "out.onnx").exists()
