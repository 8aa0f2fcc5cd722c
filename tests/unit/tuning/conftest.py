"""A network of blocks that learned to tell bright pictures from dark ones, and its data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lissome.core.context import Context
from lissome.data.task import Task
from lissome.layers.basic_block import BasicBlock
from lissome.training.optimizers import SGD
from lissome.training.train import Train
from lissome.tuning.search_run import SearchRun
from lissome.tuning.trials.search_budget import SearchBudget
from lissome.tuning.trials.space import SearchSpace


@pytest.fixture(scope="session")
def pictures():
    generator = np.random.default_rng(0)
    labels = np.arange(240) % 2
    noise = generator.integers(0, 120, (240, 12, 12, 3), dtype=np.uint8)
    images = noise + (labels * 100).astype(np.uint8)[:, None, None, None]
    return Task.from_arrays(images, labels, images, labels)


@pytest.fixture(scope="session")
def trained(pictures):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            *(BasicBlock(16, 16) for _ in range(4)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 2),
        )
    learn = Train(epochs=3, batch_size=32, optimizer=SGD(learning_rate=0.05), augmentation="none", precision="float32")
    return learn.apply(network, Context(pictures)).model


@pytest.fixture(scope="session")
def quick():
    """Settings of a search that takes seconds."""
    return {
        "on": ("onnxruntime",),
        "space": SearchSpace(numbers=("float32", "int8"), objective="macs", ways=1),
        "budget": SearchBudget(trials=6, finalists=1, short_images=64, full_epochs=1, images=20, seconds=0.05),
    }


@pytest.fixture(scope="session")
def run_of():
    """Make the settings of a run in a folder."""

    def make(path: Path, **settings):
        return replace(SearchRun(path=path, name="bright"), **settings)

    return make
