import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from lissome.core.preprocessing import Preprocessing
from lissome.data.task import Task
from lissome.tuning.trials.known_images import knows_validation_images


@pytest.fixture
def task():
    """Two classes, one brighter than the other by more than single pixels scatter."""
    generator = np.random.default_rng(0)
    labels = np.arange(400) % 2
    noise = generator.normal(size=(400, 8, 8, 3))
    pixels = np.clip(100 + 40 * noise + 33 * labels[:, None, None, None], 0, 255).astype(np.uint8)
    prepared = Preprocessing(channels=3, height=8, width=8, mean=(0.5,) * 3, std=(0.25,) * 3)
    return Task.from_arrays(pixels, labels, pixels[:40], labels[:40], preprocessing=prepared)


def learnt(*splits):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 64), nn.ReLU(), nn.Linear(64, 2))
    batches = [next(one.batches(len(one))) for one in splits]
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return model


def test_a_network_that_was_trained_on_them_is_noticed(task):
    assert knows_validation_images(learnt(task.train, task.validation), task)


def test_a_network_that_was_not_and_is_right_all_the_same_is_not(task):
    model = learnt(task.train)
    with torch.no_grad():
        images, labels = next(task.validation.batches(100))
        assert (model(images).argmax(1) == labels).double().mean() > 0.99
    assert not knows_validation_images(model, task)


def test_nothing_is_said_of_one_that_has_not_learnt(task):
    assert not knows_validation_images(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), task)
