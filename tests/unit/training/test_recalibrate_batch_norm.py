import numpy as np
import pytest
import torch
from torch import nn

from lissome.core.context import Context
from lissome.core.errors import SettingError
from lissome.core.module_graph import trace
from lissome.data.task import Task
from lissome.training.recalibrate_batch_norm import RecalibrateBatchNorm

GENERATOR = np.random.default_rng(0)
PIXELS = GENERATOR.integers(0, 256, (400, 6, 6, 3), np.uint8)
LABELS = np.arange(400) % 2
TASK = Task.from_arrays(PIXELS, LABELS, PIXELS[:4], LABELS[:4])


def network() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten())
    model[1].running_mean.fill_(9)
    model[1].running_var.fill_(9)
    model[1].weight.data.fill_(2)
    return model.eval()


@pytest.mark.parametrize("traced", [False, True])
def test_statistics_become_those_of_the_training_images(traced: bool) -> None:
    model = network()
    outcome = RecalibrateBatchNorm(images=256).apply(trace(model) if traced else model, Context(TASK))
    norm = dict(outcome.model.named_modules())["1"]
    images = torch.cat([images for images, _ in TASK.train.batches(128)])
    activations = model[0](images)
    assert torch.allclose(norm.running_mean, activations.mean((0, 2, 3)), atol=0.02)
    assert torch.allclose(norm.running_var, activations.var((0, 2, 3)), rtol=0.1)
    assert not any(layer.training for layer in outcome.model.modules())
    assert (norm.momentum, norm.weight.tolist()) == (0.1, [2.0] * 4)
    assert outcome.measurements == {"images": 256} and "1 normalisations" in outcome.notes[0].reason
    assert model[1].running_mean.tolist() == [9.0] * 4


def test_the_average_is_over_whole_batches_of_equal_weight() -> None:
    count = len(TASK.train)
    outcome = RecalibrateBatchNorm(images=10_000).apply(network(), Context(TASK))
    assert outcome.measurements == {"images": count // 128 * 128}
    assert RecalibrateBatchNorm(images=50).apply(network(), Context(TASK)).measurements == {"images": 50}


def test_the_seed_chooses_the_images() -> None:
    model = network()
    means = [
        RecalibrateBatchNorm(images=32).apply(model, Context(TASK, seed=seed)).model[1].running_mean
        for seed in (0, 0, 1)
    ]
    assert torch.equal(means[0], means[1]) and not torch.equal(means[0], means[2])


def test_it_declines_without_batch_normalisation() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(108, 2))
    outcome = RecalibrateBatchNorm().apply(model, Context(TASK))
    assert [note.applied for note in outcome.notes] == [False]
    assert "no batch normalisation" in outcome.notes[0].reason
    tracking_none = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False))
    assert RecalibrateBatchNorm().apply(tracking_none, Context(TASK)).declined


def test_a_task_is_needed() -> None:
    with pytest.raises(SettingError, match="training data"):
        RecalibrateBatchNorm().apply(network(), Context())
