import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from lissome.artifacts.archive import update_measurements, write_archive
from lissome.core.context import Context
from lissome.core.errors import BadArtifactError, UnknownNameError
from lissome.exporting.export import export
from lissome.runtimes.artifact import load
from lissome.runtimes.ncnn import Ncnn
from lissome.timing.verify import verify


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.lissome"
    export(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), path, context=Context(example=torch.randn(4, 3, 8, 8)))
    return path


def test_every_engine_is_run_compared_and_timed_beside_the_stored_figure(path):
    update_measurements(path, {"latency_ms": {"ncnn": 1.25}})
    found = verify(path, seconds=0.05)
    assert found.passed
    assert [(one.engine, one.state, one.stored_ms) for one in found.checks] == [
        ("onnxruntime", "agrees", None),
        ("ncnn", "agrees", 1.25),
    ]
    assert all(one.latency.median_ms > 0 and one.parity.outputs[0].max_rel < 1e-5 for one in found.checks)
    assert "a: all hashes are right; 4 stored samples" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["passed"] is True


def test_an_engine_that_computes_something_else_is_found(path):
    artifact = load(path)
    wrong = bytearray(artifact.contents["ncnn/model.bin"])
    wrong[-4:] = b"\0\0\xc0\x7f"[::1]  # the last bias becomes not a number
    write_archive(path, artifact.card, {**artifact.contents, "ncnn/model.bin": bytes(wrong)})
    found = verify(path, seconds=0.05)
    assert not found.passed
    assert [one.state for one in found.checks] == ["agrees", "differs"]
    assert "not finite" in found.checks[1].reason


def test_an_engine_that_is_not_there_is_said(path, monkeypatch):
    monkeypatch.setattr(Ncnn, "module", "an_engine_that_nobody_has")
    found = verify(path, seconds=0.05)
    assert found.passed
    assert found.checks[1].state == "not run"
    assert "pip install ncnn" in found.checks[1].reason
    assert not verify(path, runtimes=["ncnn"], seconds=0.05).passed  # nothing was proved


def test_an_artifact_of_old_holds_nothing_to_run(path):
    artifact = load(path)
    contents = {name: data for name, data in artifact.contents.items() if name != "samples.safetensors"}
    write_archive(path, replace(artifact.card, samples_file=None), contents)
    with pytest.raises(BadArtifactError, match="holds no samples to run; export it again"):
        verify(path)


def test_an_engine_it_has_nothing_for_is_refused(path):
    with pytest.raises(UnknownNameError, match="'torch'"):
        verify(path, runtimes=["torch"])
