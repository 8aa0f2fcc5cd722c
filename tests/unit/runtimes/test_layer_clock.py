import numpy as np
import pytest
import torch
from torch import nn

from lissome.core.errors import EngineError, UnknownNameError
from lissome.exporting.to_ncnn import to_ncnn
from lissome.runtimes.layer_clock import LAYER_CLOCKS, get_layer_clock
from lissome.runtimes.ncnn_layers import NcnnLayers
from lissome.runtimes.onnxruntime_layers import read_profile
from lissome.runtimes.table import RUNTIMES, get_runtime


def _event(name, microseconds=3):
    return {"cat": "Node", "name": f"{name}_kernel_time", "dur": microseconds, "args": {"op_name": "Conv"}}


def test_clocks_are_of_engines_that_exist():
    assert set(LAYER_CLOCKS) <= set(RUNTIMES)
    with pytest.raises(UnknownNameError, match="layer clock"):
        get_layer_clock("openvino")


def test_a_profile_with_dropped_events_is_refused():
    with pytest.raises(EngineError, match="not whole"):
        read_profile([_event("a"), _event("b"), _event("a")], runs=2)
    with pytest.raises(EngineError, match="not whole"):
        read_profile([_event("a"), _event("b"), _event("b"), _event("a")], runs=2)
    with pytest.raises(EngineError, match="not whole"):
        read_profile([], runs=2)


def test_the_runs_of_a_profile_are_told_apart():
    seen = read_profile([_event("a", 1), _event("b", 2), _event("a", 3), _event("b", 4)], runs=2)
    assert [one.name for one in seen.layers] == ["a", "b"]
    assert seen.seconds == pytest.approx(np.array([[1e-6, 2e-6], [3e-6, 4e-6]]))


def test_ncnn_run_layer_by_layer_gives_the_same_output(tmp_path):
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 1)

        def forward(self, x):
            y = self.left(x)
            return torch.relu(torch.cat([y + self.right(x), y], 1))  # y is read twice

    x = torch.randn(1, 3, 8, 8)
    to_ncnn(Branches().eval(), (x,), tmp_path)
    clock = NcnnLayers(tmp_path, threads=1)
    values = clock.values(x.numpy())
    (whole,) = get_runtime("ncnn").load(tmp_path).run(x.numpy())
    assert np.array_equal(values[-1][1], whole[0])
    clock.run(x.numpy())
    clock.run(x.numpy())
    assert clock.finish().seconds.shape == (2, len(values))
