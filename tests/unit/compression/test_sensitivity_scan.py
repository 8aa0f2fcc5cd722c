import numpy as np
import pytest
import torch
from torch import nn

import lissome as ls


@pytest.fixture(scope="module")
def task():
    """The class is which colour is bright."""
    generator = np.random.default_rng(0)
    labels = np.arange(240) % 3
    pixels = generator.integers(0, 40, (240, 6, 6, 3), dtype=np.uint8)
    pixels[np.arange(240), :, :, labels] += 150
    return ls.Task.from_arrays(pixels, labels, pixels[:12], labels[:12])


@pytest.fixture
def network():
    """The first layer passes each colour through one channel; the second has twice what it needs."""
    first, second, last = nn.Conv2d(3, 3, 1, bias=False), nn.Conv2d(3, 6, 1, bias=False), nn.Linear(6, 3, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.eye(3).view(3, 3, 1, 1) + torch.arange(3).view(3, 1, 1, 1) * 1e-3)
        second.weight.copy_(torch.cat([torch.eye(3), 1e-4 * torch.eye(3)]).view(6, 3, 1, 1))
        last.weight.copy_(torch.cat([torch.eye(3), torch.zeros(3, 3)], 1))
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last).eval()


def test_it_finds_what_can_go_and_what_cannot(network, task):
    outcome = ls.SensitivityScan(keep=(0.34, 0.5)).apply(network, ls.Context(task))
    scan = outcome.measurements["sensitivity"]
    first, second = scan["groups"]
    assert scan["base"] == 1.0
    assert (first["name"], first["channels"], second["name"], second["channels"]) == ("0", 3, "2", 6)
    assert second["metric"][1] == 1.0
    assert first["metric"][0] == pytest.approx(2 / 3)  # the first of equal answers is the third that is left
    assert all(torch.equal(one, two) for one, two in zip(outcome.model.parameters(), network.parameters(), strict=True))


def test_each_figure_is_that_of_the_network_cut_there(network, task):
    scan = ls.SensitivityScan(keep=(0.34,), images=12).apply(network, ls.Context(task)).measurements["sensitivity"]
    cut = ls.PruneChannels(keep=1.0, keep_of={"2": 0.34}, score=ls.scores.L1(), multiple_of=1)
    model = cut.apply(network, ls.Context(task)).model
    assert model[2].out_channels == 2
    assert scan["groups"][1]["metric"] == [ls.evaluate(model, task.validation, task.metric, limit=12)]


def test_an_interrupted_scan_goes_on_where_it_was(network, task, tmp_path, monkeypatch):
    scan = ls.SensitivityScan(keep=(0.5, 0.8), skip=("0",))
    with ls.RunDirectory(tmp_path / "run") as run:
        context = ls.Context(task, memory=run)
        whole = scan.apply(network, context)
        next((tmp_path / "run/steps").iterdir()).unlink()
        done = []
        apply = ls.PruneChannels.apply
        monkeypatch.setattr(ls.PruneChannels, "apply", lambda *args: done.append(1) or apply(*args))
        assert scan.apply(network, context).measurements == whole.measurements
        assert done == [1]


@pytest.mark.parametrize("settings", [{"keep": ()}, {"keep": (1.0,)}, {"images": 0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ls.SettingError, match=r"^SensitivityScan: "):
        ls.SensitivityScan(**settings)
