import numpy as np
import pytest
import torch
from torch import nn

import lissome as ls
from lissome.timing.measure import Timing


def test_it_times_the_network_against_the_original_and_changes_nothing(monkeypatch):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 2, 1)).eval()
    image = torch.randn(1, 3, 8, 8)
    computed = []

    def count(sessions, *inputs, baseline, **_):
        computed.append({name: session.run(*inputs)[0] for name, session in sessions.items()})
        samples = {name: (4.0, 4.0, 4.0) if name == baseline else (2.0, 2.0, 2.0) for name in sessions}
        return Timing(samples_ms=samples, baseline=baseline, stalled=0, seed=0)

    monkeypatch.setattr("lissome.timing.measure_latency.measure_sessions", count)
    prune = ls.PruneChannels(keep=0.5, score=ls.scores.L1(), multiple_of=16)
    recipe = ls.Recipe(prune, ls.MeasureLatency())
    cut, look = recipe.apply(network, ls.Context(example=image)).parts
    (outputs,) = computed
    np.testing.assert_allclose(outputs["original"], network(image).detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(outputs["network"], cut.model(image).detach().numpy(), atol=1e-5)
    figures = look.measurements
    assert (figures["latency_ms_before"], figures["latency_ms"], figures["speedup"]["median"]) == (4.0, 2.0, 2.0)
    assert [str(one) for one in look.notes] == ["applied (network): 2.00x [2.00, 2.00] on onnxruntime"]
    torch.testing.assert_close(look.model(image), cut.model(image), rtol=0, atol=0)


@pytest.mark.parametrize(("wanted", "refused"), [(1.9, False), (2.0, True)])
def test_it_refuses_what_is_not_surely_faster(monkeypatch, wanted, refused):
    network = nn.Conv2d(3, 2, 1).eval()
    context = ls.Context(example=torch.zeros(1, 3, 4, 4), original=network)

    def half(sessions, *inputs, baseline, **_):
        samples = {name: (4.0, 4.0, 4.0) if name == baseline else (2.0, 2.0, 2.0) for name in sessions}
        return Timing(samples_ms=samples, baseline=baseline, stalled=0, seed=0)

    monkeypatch.setattr("lissome.timing.measure_latency.measure_sessions", half)
    step = ls.MeasureLatency(require_speedup=wanted)
    if refused:
        with pytest.raises(ls.TooSlowError, match=r"onnxruntime: is 2\.00x as fast .* not surely 2x"):
            step.apply(network, context)
    else:
        assert step.apply(network, context).measurements["speedup"]["low"] == 2.0


def test_it_measures():
    network = nn.Conv2d(3, 2, 1).eval()
    context = ls.Context(example=torch.zeros(1, 3, 4, 4), original=network)
    figures = ls.MeasureLatency(seconds=0.05).apply(network, context).measurements
    assert figures["rounds"] >= 3
    assert 0 < figures["speedup"]["low"] <= figures["speedup"]["median"] <= figures["speedup"]["high"]
    assert min(figures["latency_ms"], figures["latency_ms_before"]) > 0


@pytest.mark.parametrize("settings", [{"threads": 0}, {"seconds": 0.0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ls.SettingError, match=r"^MeasureLatency: threads is"):
        ls.MeasureLatency(**settings)
