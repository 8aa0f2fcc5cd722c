import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lissome.artifacts.archive import write_archive
from lissome.core.context import Context
from lissome.core.errors import EngineError, EngineMissingError, SettingError, UnknownNameError
from lissome.data.task import Task
from lissome.exporting.parity import Limits
from lissome.runtimes.artifact import load
from lissome.runtimes.ncnn import Ncnn
from lissome.runtimes.table import get_runtime
from lissome.timing.verify import verify
from lissome.tuning.budget import Budget
from lissome.tuning.build import build
from lissome.tuning.retune import retune

CONTEXT = Context(example=torch.randn(4, 3, 12, 12), seed=3)
QUICK = Budget(seconds=0.1)
ENGINES = [name for name in ("onnxruntime", "ncnn", "openvino") if get_runtime(name).available()]


def tiny():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5)
    )


def test_the_quickest_way_is_kept_with_all_measurements(tmp_path):
    made = build(tiny(), tmp_path / "a.lissome", engines=ENGINES, context=CONTEXT, budget=QUICK)
    artifact = load(tmp_path / "a.lissome")
    tuning, chosen = artifact.card.tuning, made.chosen
    assert artifact.runtimes == (chosen.engine,)
    assert (tuning.engine, tuning.precision, tuning.threads) == (chosen.engine, chosen.precision, 1)
    timed = [one for one in tuning.candidates if "median_ms" in one]
    assert {one["engine"] for one in timed} == set(ENGINES)
    assert [one["chosen"] for one in timed] == [True] + [False] * (len(timed) - 1)
    session = artifact.session().warm_up()
    description = session.describe()
    assert (description.engine, description.precision) == (chosen.engine, chosen.precision)
    with torch.no_grad():
        expected = tiny()(CONTEXT.example).numpy()
    loose = 1e-3 if chosen.precision == "float32" else 5e-2
    assert np.abs(session.run(CONTEXT.example.numpy())[0] - expected).max() <= loose * np.abs(expected).max()
    assert json.loads(json.dumps(made.to_dict()))["candidates"][0]["chosen"] is True
    assert "chosen" in str(made)
    assert verify(artifact, seconds=0.05).passed


def test_precision_can_be_held_and_all_engines_kept(tmp_path):
    budget = Budget(seconds=0.1, keep="all")
    path = tmp_path / "a.lissome"
    made = build(tiny(), path, engines=ENGINES, precisions=["float32"], context=CONTEXT, budget=budget)
    assert {one.precision for one in made.candidates} == {"float32"}
    assert set(load(path).runtimes) == set(ENGINES)
    assert all(one.state == "agrees" for one in verify(path, seconds=0.05).checks)


def test_lower_precision_beyond_the_budget_is_declined_with_the_reason(tmp_path):
    strict = Limits(max_rel=1e-5, cosine=0.9, agreement=0.0, tie=0.0)
    made = build(
        tiny(), tmp_path / "a.lissome", engines=["ncnn"], context=CONTEXT, budget=replace(QUICK, limits=strict)
    )
    declined = [one for one in made.candidates if one.reason]
    assert {one.precision for one in declined} == {"bfloat16"}
    assert all("differs by" in one.reason for one in declined)
    assert made.chosen.precision == "float32"
    assert declined[0].reason in str(made)


def task():
    generator = np.random.default_rng(0)
    labels = np.arange(200) % 2
    images = (
        generator.integers(0, 100, (200, 12, 12, 3), dtype=np.uint8)
        + (labels * 100).astype(np.uint8)[:, None, None, None]
    )
    return Task.from_arrays(images, labels, images, labels)


def test_with_a_task_int8_is_tried_and_accuracy_decides(tmp_path):
    context = Context(task(), seed=0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    made = build(model, tmp_path / "a.lissome", engines=["onnxruntime"], context=context, budget=QUICK)
    assert {one.variant for one in made.candidates} == {"as exported", "quantized"}
    scored = next(one for one in made.candidates if one.precision == "int8")
    assert scored.accuracy is not None or "loses" in scored.reason


def test_no_way_within_the_budget_writes_nothing(tmp_path):
    class Sorted(nn.Module):
        def forward(self, x):
            return torch.sort(x.flatten(1))[0] * x.var()

    with pytest.raises(EngineError, match="no engine runs this network"):
        build(Sorted(), tmp_path / "a.lissome", engines=["ncnn"], context=CONTEXT, budget=QUICK)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"engines": []}, SettingError, "no engine is named"),
        ({"engines": ["nccn"]}, UnknownNameError, "did you mean 'ncnn'"),
        ({"precisions": ["float31"]}, UnknownNameError, "did you mean 'float32'"),
        ({"threads": 0}, SettingError, "threads is 0"),
        ({"threads": 999}, SettingError, "999 threads on"),
    ],
)
def test_bad_input_is_refused(tmp_path, settings, error, message):
    with pytest.raises(error, match=message):
        build(tiny(), tmp_path / "a.lissome", context=CONTEXT, **{"engines": ["ncnn"], **settings})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("settings", [{"max_drop": 1.0}, {"images": 0}, {"seconds": 0.0}, {"keep": "some"}])
def test_a_budget_out_of_range_is_refused(settings):
    with pytest.raises(SettingError, match=next(iter(settings))):
        Budget(**settings)


def test_another_machine_is_warned_and_can_choose_anew(tmp_path):
    path = tmp_path / "a.lissome"
    build(tiny(), path, engines=ENGINES[:2], precisions=["float32"], context=CONTEXT, budget=replace(QUICK, keep="all"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        artifact = load(path)
    elsewhere = replace(artifact.card.tuning, fingerprint="0" * 16, machine={"cpu": "Another CPU"}, options={})
    write_archive(path, replace(artifact.card, tuning=elsewhere), artifact.contents)
    with pytest.warns(
        UserWarning, match=r"tuned on Another CPU .* not on this machine; time it again with `lissome build"
    ):
        load(path)
    found = retune(path, seconds=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = load(path)
    assert again.card.tuning.engine == found.chosen.engine
    assert len([one for one in found.candidates if one.latency]) >= len(ENGINES[:2])
    assert again.contents == artifact.contents


def test_an_engine_that_is_gone_is_no_candidate(tmp_path, monkeypatch):
    path = tmp_path / "a.lissome"
    build(tiny(), path, engines=ENGINES[:2], context=CONTEXT, budget=replace(QUICK, keep="all"))
    monkeypatch.setattr(Ncnn, "module", "an_engine_that_nobody_has")
    found = retune(path, seconds=0.1)
    assert [one.reason for one in found.candidates if one.engine == "ncnn"] == [
        "ncnn is not installed; pip install ncnn pnnx"
    ]
    with pytest.raises(EngineMissingError):
        build(tiny(), path, engines=["ncnn"], context=CONTEXT)
