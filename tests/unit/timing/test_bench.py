import json

import pytest
import torch
from torch import nn

from lissome.core.context import Context
from lissome.core.errors import SettingError, UnknownNameError
from lissome.exporting.export import export
from lissome.runtimes.onnxruntime import OnnxRuntime
from lissome.timing import bench as bench_file
from lissome.timing.bench import bench
from lissome.timing.measure import Timing


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    made = []
    for name, width, side in (("wide", 96, 24), ("narrow", 4, 12)):  # of different input shapes, too
        context = Context(example=torch.randn(2, 3, side, side))
        model = nn.Sequential(nn.Conv2d(3, width, 3), nn.Conv2d(width, 4, 3))
        made.append(export(model, folder / f"{name}.lissome", runtimes=["onnxruntime", "torch"], context=context))
    return made


def test_every_cell_is_timed_and_compared_with_the_first(artifacts):
    result = bench(artifacts, seconds=0.1)
    assert [(cell.runtime, cell.name) for cell in result.cells] == [
        ("onnxruntime", "wide"),
        ("onnxruntime", "narrow"),
        ("torch", "wide"),
        ("torch", "narrow"),
    ]
    for cell in result.cells:
        assert 0 < cell.latency.min_ms <= cell.latency.median_ms <= cell.latency.max_ms
        assert cell.precision == "float32"
        assert (cell.speedup is None) == (cell.name == "wide")
    text = str(result)
    assert text.splitlines()[0].split()[:4] == ["network", "engine", "precision", "threads"]
    assert len(text.splitlines()) == 6
    assert json.loads(json.dumps(result.to_dict()))["cells"][1]["name"] == "narrow"


def test_figures_reach_the_right_cells(artifacts, monkeypatch):
    def fixed(calls, *, baseline, **_):
        return Timing(samples_ms={"0": (8.0,) * 3, "1": (2.0,) * 3}, baseline=baseline, stalled=4, seed=0)

    monkeypatch.setattr(bench_file, "measure", fixed)
    first, second = bench(artifacts, runtimes=["onnxruntime"]).cells
    assert (first.name, first.latency.median_ms, first.speedup) == ("wide", 8.0, None)
    assert (second.name, second.latency.median_ms, second.speedup.median, second.stalled) == ("narrow", 2.0, 4.0, 4)


def test_a_cell_that_cannot_be_timed_says_why(artifacts, monkeypatch):
    monkeypatch.setattr(OnnxRuntime, "module", "an_engine_that_nobody_has")
    result = bench(artifacts[1], runtimes=["onnxruntime", "ncnn", "torch"], threads=(1, 1000), seconds=0.05)
    reasons = {(cell.runtime, cell.threads): cell.reason for cell in result.cells}
    assert reasons["torch", 1] == ""
    assert "pip install onnxruntime" in reasons["onnxruntime", 1]
    assert "has nothing for 'ncnn'" in reasons["ncnn", 1]
    assert "1000 threads on" in reasons["torch", 1000]
    assert str(result).splitlines()[-1].startswith("narrow on torch, threads 1000: pinned: 1000 threads on ")


def test_the_others_are_timed_where_the_first_fails(artifacts):
    lacking = export(
        nn.Conv2d(3, 2, 1),
        artifacts[0].path.parent / "lacking.lissome",
        runtimes=["torch"],
        context=Context(example=torch.randn(2, 3, 4, 4)),
    )
    first, second = bench([lacking, artifacts[1]], runtimes=["onnxruntime"], seconds=0.05).cells
    assert "has nothing for 'onnxruntime'" in first.reason
    assert second.latency is not None
    assert second.speedup is None


def test_bad_settings_are_refused(artifacts):
    with pytest.raises(SettingError, match="nothing to time"):
        bench([])
    with pytest.raises(SettingError, match="nothing to time"):
        bench(artifacts, threads=())
    with pytest.raises(UnknownNameError, match="did you mean 'onnxruntime'"):
        bench(artifacts, runtimes=["onnxruntme"])
