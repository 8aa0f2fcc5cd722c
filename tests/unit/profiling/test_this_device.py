"""The machine at hand, measured quickly: plausible figures, each with how it was got."""

import time

import pytest
import torch
from torch import nn

from lissome.core.errors import SettingError
from lissome.profiling.profile import profile
from lissome.profiling.this_device import measure_this_device


def test_roofs_are_measured_and_say_how():
    threads = torch.get_num_threads()
    start = time.process_time()
    device = measure_this_device(seconds=0.01)
    assert time.process_time() - start < 10
    assert torch.get_num_threads() == threads
    assert 1e8 < device.peak_flops_per_s["float32"] < 1e13
    assert 1e8 < device.bytes_per_s < 1e13
    assert all("measured, 1 thread" in source for source in device.sources.values())
    assert len(device.cache_bytes) == len(device.cache_bytes_per_s)
    assert min(device.cache_bytes_per_s, default=device.bytes_per_s) >= device.bytes_per_s
    assert measure_this_device(seconds=0.01) is device  # once a process


def test_a_profile_of_this_machine(monkeypatch):
    monkeypatch.setattr("lissome.profiling.find_device.measure_this_device", lambda: measure_this_device(seconds=0.01))
    cost = profile(nn.Conv2d(8, 8, 3), (1, 8, 16, 16), device="this")
    assert cost.prediction is not None
    assert cost.prediction.device.name == "this"
    assert 0 < cost.prediction.total_ms < 100


@pytest.mark.parametrize("settings", [{"threads": 0}, {"seconds": 0}])
def test_refusals(settings):
    with pytest.raises(SettingError, match="choose both above 0"):
        measure_this_device(**settings)
