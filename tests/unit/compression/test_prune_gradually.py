import numpy as np
import pytest
import torch
from torch import nn

import lissome as ls


@pytest.fixture(scope="module")
def task():
    generator = np.random.default_rng(0)
    pixels, labels = generator.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8), np.arange(60) % 3
    return ls.Task.from_arrays(pixels, labels, pixels[:12], labels[:12])


@pytest.fixture
def network():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 16, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3)).eval()


def _step(**settings):
    prune = ls.PruneChannels(keep=0.5, score=ls.scores.L1(), multiple_of=8)
    train = ls.Train(epochs=1, batch_size=16, keep="last", teacher="original")
    return ls.PruneGradually(prune=prune, train=train, rounds=3, **settings)


def test_all_rounds_together_keep_what_was_asked_for(network, task):
    outcome = _step().apply(network, ls.Context(task))
    assert (outcome.model[0].out_channels, outcome.model[3].out_channels) == (32, 8)
    rounds = outcome.measurements["rounds"]
    assert [one["round"] for one in rounds] == [1, 2, 3]
    assert sorted((one["params"] for one in rounds), reverse=True) == [one["params"] for one in rounds]
    assert outcome.measurements["params"] == sum(one.numel() for one in outcome.model.parameters())
    assert [part.step for part in outcome.parts] == ["PruneChannels", "Train"] * 3
    assert outcome.step == "PruneGradually"


def test_the_last_round_may_train_longer():
    steps = _step(last=ls.Train(epochs=7)).steps()
    assert [one.epochs for one in steps if isinstance(one, ls.Train)] == [1, 1, 7]
    with pytest.raises(ls.SettingError, match="rounds is 0"):
        ls.PruneGradually(prune=ls.PruneChannels(), rounds=0)


def test_an_interrupted_run_goes_on_from_its_last_inner_step(network, task, tmp_path, monkeypatch):
    with ls.RunDirectory(tmp_path / "run") as run:
        context = ls.Context(task, memory=run)
        whole = _step().apply(network, context)
        kept = sorted((tmp_path / "run/steps").iterdir(), key=lambda one: one.stat().st_mtime_ns)
        assert len(kept) == 6
        kept[-1].unlink()
        monkeypatch.setattr(ls.PruneChannels, "change", None)  # no pruning is done again
        again = _step().apply(network, context)
    for one, other in zip(whole.model.state_dict().values(), again.model.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
