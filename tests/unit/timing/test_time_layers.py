import json

import pytest
import torch
from torch import nn

from lissome.compression.quantization.quantize import Quantize
from lissome.core.context import Context
from lissome.core.errors import SettingError, ShapeError
from lissome.data import sample
from lissome.devices.device import Device
from lissome.models.create import create
from lissome.models.weights import load_weights
from lissome.profiling.profile import profile
from lissome.timing.time_layers import ENGINES, time_layers

CHIP = Device(
    name="chip",
    title="A chip",
    kind="cpu",
    peak_flops_per_s={"float32": 1e12, "int8": 4e12},
    bytes_per_s=1e10,
    sources={"float32": "test", "int8": "test", "bytes_per_s": "test"},
)


@pytest.fixture(scope="module")
def trained():
    chosen = sample()
    model = create("resnet20")
    load_weights(model, chosen.weights_path)
    return model


@pytest.mark.parametrize("on", ENGINES)
def test_every_source_layer_is_found_and_counted_once(trained, on):
    times = time_layers(trained, (1, 3, 32, 32), on=on, seconds=0.05, device=CHIP)
    cost = profile(trained, (1, 3, 32, 32))
    assert times.runtime == on
    assert sum(row.macs for row in times.rows) == cost.macs
    found = {layer for row in times.rows for layer in row.layers}
    assert {row.layer for row in cost.rows} <= found
    assert sum(row.share for row in times.rows) == pytest.approx(1)
    assert all(row.latency_ms >= 0 for row in times.rows)
    assert times.runs >= 5 - times.stalled
    # One convolution a row: nothing was given to the wrong neighbour.
    heavy = [[one for one in row.layers if one.endswith(".conv")] for row in times.rows]
    assert max(map(len, heavy)) == 1


def test_engines_fuse_and_say_so(trained):
    rows = time_layers(trained, (1, 3, 32, 32), on="onnxruntime", seconds=0.05).rows
    first = rows[0]
    assert first.layers[:3] == ("stem.conv", "stem.norm", "stem.activation")
    assert first.operator == "Conv"
    assert any(row.layers == () and "Reorder" in row.operator for row in rows)


def test_shares_are_of_the_devices_peaks(trained):
    times = time_layers(trained, (1, 3, 32, 32), on="onnxruntime", seconds=0.05, device=CHIP)
    one = times.rows[0]
    assert one.utilisation.flops_share == pytest.approx(2e3 * one.macs / one.latency_ms / 1e12)
    assert one.utilisation.bandwidth_share == pytest.approx(1e3 * one.bytes_moved / one.latency_ms / 1e10)
    assert 0 < times.utilisation.busy <= 1
    text = str(times)
    assert "busy" in text
    assert "of bandwidth" in text
    assert json.loads(json.dumps(times.to_dict()))["layer_times"][0]["layers"] == list(one.layers)


@pytest.mark.parametrize(("on", "operator"), [("onnxruntime", "QLinearConv"), ("ncnn", "Convolution")])
def test_integers_are_compared_with_the_integer_peak(trained, on, operator):
    context = Context(sample().task, seed=0)
    quantized = Quantize(images=32).apply(trained, context).model
    times = time_layers(quantized, (1, 3, 32, 32), on=on, seconds=0.05, device=CHIP)
    assert times.precision == "int8"
    assert times.utilisation.peak_flops == 4e12
    assert any(row.operator == operator for row in times.rows)
    assert sum(row.macs for row in times.rows) == profile(trained, (1, 3, 32, 32)).macs
    heavy = [[one for one in row.layers if one.endswith(".conv")] for row in times.rows]
    assert max(map(len, heavy)) == 1
    # Every convolution's time is found beside its multiply-adds, and nowhere else.
    assert all(row.macs > 0 for row in times.rows if row.operator == operator)


def test_a_batch_is_timed_as_one_run():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    times = time_layers(model, (4, 3, 8, 8), on="torch", seconds=0.05)
    assert sum(row.macs for row in times.rows) == 4 * 3 * 8 * 9 * 36
    with pytest.raises(SettingError, match="one image at a time"):
        time_layers(model, (4, 3, 8, 8), on="ncnn")


def test_the_table_can_be_sorted_and_cut(trained):
    times = time_layers(trained, (1, 3, 32, 32), on="torch", seconds=0.05)
    lines = times.table(by="time", top=3).splitlines()
    first = next(place for place, line in enumerate(lines) if line.strip().startswith("---")) + 1
    shown = [float(line.split()[2]) for line in lines[first : first + 3]]
    assert shown == sorted(shown, reverse=True)
    assert f"{len(times.rows) - 3} more layers" in lines[first + 3]


def test_bad_settings_are_refused():
    model = nn.Conv2d(3, 4, 1)
    with pytest.raises(SettingError, match="choose of torch, onnxruntime, ncnn"):
        time_layers(model, (1, 3, 8, 8), on="openvino")
    with pytest.raises(SettingError, match="seconds is 0"):
        time_layers(model, (1, 3, 8, 8), seconds=0)
    with pytest.raises(ShapeError):
        time_layers(model, (1, 4, 8, 8))


def test_the_network_is_left_as_it_was(trained):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout()).train()
    before = model[1].running_mean.clone()
    time_layers(model, (1, 3, 8, 8), on="torch", seconds=0.02)
    assert model.training
    assert torch.equal(model[1].running_mean, before)
