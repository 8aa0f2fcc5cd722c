import json

import pytest
from torch import nn

from lissome.core.errors import SettingError, UnknownNameError
from lissome.timing.throughput import throughput

MODEL = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))


def test_one_row_for_each_engine_and_batch():
    found = throughput(MODEL, (1, 3, 8, 8), on=("onnxruntime", "ncnn"), batches=(1, 4), seconds=0.05)
    assert [(row.runtime, row.batch) for row in found.rows] == [
        *(("onnxruntime", 1), ("onnxruntime", 4)),
        *(("ncnn", 1), ("ncnn", 4)),
    ]
    for row in found.rows:
        assert row.images_per_second == pytest.approx(1e3 * row.batch / row.latency.median_ms)
    assert found.notes == ("ncnn: its batch is 1: a batch is run image by image",)
    assert json.loads(json.dumps(found.to_dict()))["throughput"][1]["batch"] == 4
    assert "images/s" in str(found)


def test_a_cell_that_cannot_be_timed_says_why():
    many = throughput(MODEL, (1, 3, 8, 8), on=("onnxruntime",), batches=(1,), threads=4096, seconds=0.02)
    assert many.rows[0].latency is None
    assert "4096 threads" in many.rows[0].reason
    assert "4096 threads" in str(many)


def test_bad_settings_are_refused():
    with pytest.raises(UnknownNameError):
        throughput(MODEL, (1, 3, 8, 8), on=("onnxruntim",))
    with pytest.raises(SettingError, match="batches"):
        throughput(MODEL, (1, 3, 8, 8), batches=(0,))
