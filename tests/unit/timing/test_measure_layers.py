import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import lissome as ls
from lissome.profiling.latency_table import structure_key
from lissome.profiling.layer_kinds import LayerKind
from lissome.profiling.profile import profile
from lissome.timing.measure import Timing
from lissome.timing.remote import Remote

SHAPE = (1, 3, 12, 12)
QUICK = ls.LayerBench(seconds=0.05)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 8, 1)).eval()


@pytest.fixture(scope="module")
def table(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "table.json"
    return ls.measure_layers(network, SHAPE, path, bench=QUICK, widths=2)


def test_every_layer_is_measured_in_several_widths(network, table):
    times = table.times()
    assert {str(kind): set(cells) for kind, cells in times.kinds.items()} == {
        "3x3 stride 2x2 on 12x12": {(3, 8), (3, 16)},
        "1x1 stride 1x1 on 6x6": {(8, 8), (16, 8)},
    }
    assert all(ms > 0 for cells in times.kinds.values() for ms in cells.values())
    assert (times.engine, times.precision) == ("onnxruntime", "float32")
    assert list(times.networks) == [structure_key(network, profile(network, SHAPE))]
    assert all(ms > 0 for ms in times.networks.values())


def test_more_work_takes_more_time(monkeypatch):
    """With a clock that counts the engine's multiply-adds instead of seconds, a layer costs its own."""
    kind = LayerKind(kernel=(3, 3), padding=(1, 1), size=(6, 6))
    asked = {}

    def count(networks):
        asked.update(networks)
        macs = {name: float(profile(network, (1, *shape)).macs) for name, (network, shape) in networks.items()}
        return Timing(samples_ms={name: (one,) * 3 for name, one in macs.items()}, baseline=None, stalled=0, seed=0)

    monkeypatch.setattr(ls.LayerBench, "_time", lambda _, networks: count(networks))
    cells = [(4, 8), (8, 4), (8, 8)]
    assert ls.LayerBench().layers(kind, cells) == {(one, two): 9.0 * 36 * one * two for one, two in cells}
    assert len(asked) == 4  # there and back is measured once
    strided = LayerKind(kernel=(3, 3), stride=(2, 2), padding=(1, 1), size=(6, 6))
    assert ls.LayerBench().layers(strided, cells) == {(one, two): 9.0 * 9 * one * two for one, two in cells}
    assert ls.LayerBench().layers(LayerKind(groups=0, size=(6, 6)), [(4, 4)]) == {(4, 4): 36.0 * 4}
    assert ls.LayerBench().layers(LayerKind(), [(4, 6)]) == {(4, 6): 24.0}


def test_pruning_takes_it(network, table):
    context = ls.Context(example=torch.zeros(SHAPE))
    figures = ls.PruneChannels(objective=table, keep=1.0, score=ls.scores.L1()).apply(network, context).measurements
    assert (figures["unit"], figures["predicted"]) == ("ms", figures["predicted_before"])
    assert figures["predicted"] > 0


def test_what_the_file_holds_is_not_measured_again(network, table, tmp_path, monkeypatch):
    path = tmp_path / "table.json"
    content = json.loads(Path(table.path).read_text())
    dropped = content["kinds"].pop()
    path.write_text(json.dumps(content))
    asked = []
    monkeypatch.setattr(ls.LayerBench, "layers", lambda _, kind, cells: asked.append(kind) or dict.fromkeys(cells, 1.0))
    ls.measure_layers(network, SHAPE, path, bench=QUICK, widths=2)
    assert asked == [LayerKind.from_dict({name: one for name, one in dropped.items() if name != "ms"})]


def test_a_table_of_another_engine_is_not_mixed_with_this_one(network, table):
    with pytest.raises(ls.BadDataError, match="holds times of another precision"):
        ls.measure_layers(network, SHAPE, table.path, bench=ls.LayerBench(seconds=0.05, precision="int8"))


def test_int8_layers_are_measured_as_int8(tmp_path, monkeypatch):
    network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.Flatten()).eval()
    seen = []
    from lissome.runtimes.onnxruntime import OnnxRuntime

    load = OnnxRuntime.load

    def spy(self, folder, **settings):
        session = load(self, folder, **settings)
        seen.append(session.describe().precision)
        return session

    monkeypatch.setattr(OnnxRuntime, "load", spy)
    ls.measure_layers(
        network, (1, 3, 4, 4), tmp_path / "t.json", bench=ls.LayerBench(seconds=0.02, precision="int8"), widths=2
    )
    assert "int8" in seen


def test_settings_out_of_range_are_refused(network, tmp_path):
    with pytest.raises(ls.SettingError, match="seconds is 0"):
        ls.LayerBench(seconds=0)
    with pytest.raises(ls.SettingError, match="widths 1"):
        ls.measure_layers(network, SHAPE, tmp_path / "t.json", widths=1)
    with pytest.raises(ls.UnknownNameError):
        ls.LayerBench(runtime="onnxruntimes")


def test_a_table_can_be_measured_on_a_device(stand_in, tmp_path):
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    bench = ls.LayerBench(seconds=0.02, device=Remote(url="ssh://there", python=sys.executable, ssh=stand_in))
    table = ls.measure_layers(network, (1, 3, 8, 8), tmp_path / "there.json", bench=bench, widths=2)
    assert min(ms for cells in table.times().kinds.values() for ms in cells.values()) > 0
    assert table.times().machine == bench.device.facts(["onnxruntime"]).machine
