"""What the channels that stay take over from the removed ones."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.reconstruction import reconstruct
from lissome.compression.pruning.scores import L1
from lissome.core.context import Context
from lissome.core.errors import SettingError
from lissome.data.task import Task
from lissome.tracing.groups import groups_of
from lissome.tracing.propagate import propagate


@pytest.fixture
def context() -> Context:
    generator = np.random.default_rng(0)
    images, labels = generator.integers(0, 255, (80, 8, 8, 3)).astype(np.uint8), np.arange(80) % 2
    return Context(Task.from_arrays(images, labels, images, labels))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    head = (nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 2))
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 8, 3, padding=1), nn.ReLU(), *head)


def test_copies_of_channels_can_go_without_a_trace(context: Context) -> None:
    model = network().eval()
    with torch.no_grad():  # the second half copies the first, a little weaker, so that it is what goes
        model[0].weight[8:] = 0.5 * model[0].weight[:8]
        model[0].bias[8:] = 0.5 * model[0].bias[:8]
    step = PruneChannels(keep=0.5, score=L1(), multiple_of=1, skip=("2",), reconstruct=72)
    plain = PruneChannels(keep=0.5, score=L1(), multiple_of=1, skip=("2",))
    images, _ = next(context.require_task().test.batches(16))
    expected = model(images)
    scale = expected.abs().max()
    fitted, cut = step.apply(model, context).model, plain.apply(model, context).model
    assert fitted[0].out_channels == cut[0].out_channels == 8
    assert (fitted(images) - expected).abs().max() < 2e-3 * scale
    assert (cut(images) - expected).abs().max() > 2e-2 * scale


def test_the_fit_is_the_least_squares_one(context: Context) -> None:
    model = network().eval()
    channels = propagate(model, context.example_inputs())
    groups, _ = groups_of(channels)
    number = next(place for place, one in enumerate(groups) if one.name == "0")
    mask = torch.arange(16) < 8
    fitted = copy.deepcopy(model)
    notes = list(reconstruct(fitted, groups, {number: mask}, context, 72))
    assert [(one.layer, one.applied) for one in notes] == [("2", True)]
    batches = context.require_task().train.batches(72, generator=context.generator("reconstruct"), limit=72)
    images = torch.cat([one for one, _ in batches])
    rows = nn.functional.unfold(model[:2](images), 3, padding=1).transpose(1, 2).reshape(-1, 144).detach().double()
    wanted = rows @ model[2].weight.detach().flatten(1).T.double()
    best = np.linalg.lstsq(rows[:, :72].numpy(), wanted.numpy(), rcond=None)[0]
    least = np.linalg.norm(rows[:, :72].numpy() @ best - wanted.numpy())
    got = fitted[2].weight.detach().flatten(1).double()
    assert torch.equal(got[:, 72:], torch.zeros(8, 72, dtype=torch.float64))
    assert float(torch.linalg.norm(rows @ got.T - wanted)) == pytest.approx(least, rel=1e-3)


def test_what_cannot_be_fitted_keeps_its_weights(context: Context) -> None:
    layers = (nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1, groups=2))
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    outcome = PruneChannels(keep=0.5, score=L1(), multiple_of=1, reconstruct=16).apply(model, context)
    reasons = {one.layer: one.reason for one in outcome.notes if "weights" in one.reason}
    assert "one group" in reasons["2"]
    assert "fitted" in reasons["5"]


def test_a_system_that_is_too_large_is_declined(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lissome.tracing.patches.LARGEST", 10)
    outcome = PruneChannels(keep=0.5, score=L1(), multiple_of=1, reconstruct=16).apply(network(), context)
    assert any("too many" in one.reason for one in outcome.declined)


def test_it_needs_images() -> None:
    step = PruneChannels(reconstruct=16)
    with pytest.raises(SettingError, match="task"):
        step.apply(network(), Context(example=torch.zeros(1, 3, 8, 8)))
    with pytest.raises(SettingError, match="reconstruct"):
        PruneChannels(reconstruct=-1)
