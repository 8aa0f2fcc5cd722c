import dataclasses
import json

import pytest
import torch
from torch import nn

from lissome.compression.quantization.quantize import Quantize
from lissome.core.context import Context
from lissome.core.errors import SettingError, ShapeError, UnknownNameError
from lissome.data import sample
from lissome.data.metrics import top5_correct
from lissome.exporting.export import export
from lissome.timing.side_by_side import compare, parameter_bytes
from lissome.training.evaluate import evaluate


def network(width):
    return nn.Sequential(
        nn.Conv2d(3, width, 3, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)
    ).eval()


@pytest.fixture(scope="module")
def task():
    return sample().task


def test_counts_as_factor_and_percent():
    found = compare(nn.Conv2d(4, 8, 1, bias=False), nn.Conv2d(4, 2, 1, bias=False), input=(1, 4, 8, 8))
    for name in ("parameters", "parameter KiB", "MACs"):
        assert found[name].factor == pytest.approx(4.0)
        assert found[name].percent == pytest.approx(-75.0)
    assert (found["MACs"].first, found["MACs"].second) == (4 * 8 * 64, 4 * 2 * 64)
    text = str(found)
    assert "4.00x" in text
    assert "-75.00 %" in text


def test_int8_weights_are_counted_by_their_bytes(task):
    model = network(16)
    outcome = Quantize(images=16).apply(model, Context(task))
    found = compare(model, outcome, input=(1, 3, 32, 32))
    assert found["parameters"].factor == 1.0
    weights, biases = 16 * 3 * 9 + 16 * 10, 16 + 10
    assert parameter_bytes(model) == 4 * (weights + biases)
    assert found["parameter KiB"].second == pytest.approx((weights + 4 * biases) / 1024)


def test_accuracy_is_the_tasks_and_top5_beside_it(task):
    one, two = network(8), network(16)
    found = compare(one, two, task=task)
    assert found.test_images == len(task.test)
    assert found["top-1"].first == pytest.approx(evaluate(one, task.test, task.metric))
    assert found["top-5"].second == pytest.approx(evaluate(two, task.test, top5_correct))
    assert found["top-1"].percent == pytest.approx(100 * (found["top-1"].second - found["top-1"].first))
    assert "points" in str(found)


def test_engines_give_time_in_pairs_and_size_of_files():
    found = compare(network(256), network(8), input=(1, 3, 96, 96), on=("onnxruntime",), seconds=0.2)
    time = found["ms on onnxruntime"]
    assert time.speedup.median > 1.5
    assert time.factor == time.speedup.median
    assert time.percent == pytest.approx(100 * (1 / time.factor - 1))
    assert found["file KiB for onnxruntime"].factor > 1
    assert json.loads(json.dumps(found.to_dict()))["quantities"][0]["name"] == "parameters"


def test_a_network_beside_an_artifact(tmp_path, task):
    model = network(8)
    artifact = export(model, tmp_path / "a.lissome", runtimes=("onnxruntime",), context=Context(task))
    small = dataclasses.replace(task, test=task.validation)
    found = compare(model, artifact, task=small, on=("onnxruntime",), seconds=0.05)
    assert found["parameters"].factor == 1.0
    assert found["MACs"].factor == 1.0
    assert found["parameter KiB"].factor == pytest.approx(1.0, rel=0.05)
    scores = found["top-1 on onnxruntime"]
    assert scores.first == pytest.approx(scores.second, abs=0.01)
    with pytest.raises(UnknownNameError, match="has nothing for 'ncnn'"):
        compare(artifact, artifact, on=("ncnn",))
    with pytest.raises(SettingError, match="no accuracy outside of an engine"):
        compare(model, artifact, task=small)


def test_bad_input_is_refused():
    with pytest.raises(SettingError, match="input shape is not known"):
        compare(network(8), network(8))
    with pytest.raises(ShapeError):
        compare(network(8), nn.Conv2d(4, 4, 1), input=(1, 3, 32, 32))
    with pytest.raises(KeyError):
        compare(nn.ReLU(), nn.ReLU(), input=(1, 3, 8, 8))["accuracy"]
    with torch.no_grad(), pytest.raises(UnknownNameError, match="onnxruntime"):
        compare(network(8), network(8), input=(1, 3, 32, 32), on=("onnxruntim",))
