import json
from functools import partial

import pytest
from torch import nn

from lissome.core.errors import SettingError, UnknownNameError
from lissome.runtimes.ncnn import Ncnn
from lissome.runtimes.table import get_runtime
from lissome.timing.bench_models import Pace, bench_models


def tiny(channels):
    return nn.Sequential(nn.Conv2d(3, channels, 3), nn.ReLU())


NETWORKS = {f"tiny{one}": (partial(tiny, one), (1, 3, 8, 8)) for one in (4, 8)}
QUICK = Pace(rounds=3, warmup=1, seconds=0.05)


def test_every_network_engine_precision_and_number_of_threads_has_a_cell():
    result = bench_models(NETWORKS, engines=["onnxruntime", "ncnn"], precisions=None, pace=QUICK)
    cells = {(one.name, one.runtime, one.precision): one for one in result.cells}
    each = sum(len(get_runtime(one).precisions) for one in ("onnxruntime", "ncnn"))
    assert len(cells) == len(result.cells) == 2 * each
    assert cells["tiny4", "onnxruntime", "float32"].latency.median_ms > 0
    assert cells["tiny8", "ncnn", "bfloat16"].latency.median_ms > 0
    failed = cells["tiny4", "onnxruntime", "int8"]
    assert failed.latency is None
    assert "computes these files in float32, not int8" in failed.reason
    assert "tiny4 on onnxruntime, threads 1: " in str(result)
    assert len(json.loads(json.dumps(result.to_dict()))["cells"]) == len(result.cells)


def test_a_network_that_an_engine_cannot_take_says_why_and_the_others_are_timed():
    class Sorted(nn.Module):
        def forward(self, x):
            return x.sort(3)[0]

    networks = {"sorted": (Sorted, (1, 3, 8, 8)), **NETWORKS}
    result = bench_models(networks, engines=["ncnn"], pace=QUICK)
    assert [bool(one.latency) for one in result.cells] == [False, True, True]
    assert "sort" in result.cells[0].reason


def test_an_engine_that_is_gone_and_too_many_threads_say_why(monkeypatch):
    assert (
        "999 threads on" in bench_models(NETWORKS, engines=["onnxruntime"], threads=[999], pace=QUICK).cells[0].reason
    )
    monkeypatch.setattr(Ncnn, "module", "an_engine_that_nobody_has")
    assert "pip install ncnn" in bench_models(NETWORKS, engines=["ncnn"], pace=QUICK).cells[0].reason


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"models": {}}, SettingError, "nothing to time"),
        ({"threads": ()}, SettingError, "nothing to time"),
        ({"engines": ["nccn"]}, UnknownNameError, "did you mean 'ncnn'"),
        ({"precisions": ["float31"]}, UnknownNameError, "did you mean 'float32'"),
    ],
)
def test_bad_input_is_refused(settings, error, message):
    with pytest.raises(error, match=message):
        bench_models(**{"models": NETWORKS, **settings})


@pytest.mark.parametrize("settings", [{"rounds": 2}, {"warmup": 0}, {"seconds": 0}, {"cooldown_seconds": -1}])
def test_a_pace_out_of_range_is_refused(settings):
    with pytest.raises(SettingError, match=next(iter(settings))):
        Pace(**settings)
