import numpy as np
import torch
from torch import nn

from lissome.core.context import Context
from lissome.data.task import Task
from lissome.training.kept_zeros import KeptZeros
from lissome.training.optimizers import SGD, AdamW
from lissome.training.train import Train

IMAGES = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3), dtype=np.uint8)
TASK = Task.from_arrays(IMAGES, np.arange(64) % 2, IMAGES[:8], np.arange(8) % 2)
FAST = {"batch_size": 16, "precision": "float32", "augmentation": "none", "keep": "last"}


def sparse_network() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 2)).eval()
    with torch.no_grad():
        model[0].weight[:, 1] = 0
        nn.init.zeros_(model[4].weight)
    return model


def test_zeros_stay_with_momentum_and_with_adam_and_the_rest_learns() -> None:
    for optimizer in (SGD(learning_rate=0.1), AdamW(learning_rate=0.1)):
        model = sparse_network()
        outcome = Train(epochs=2, optimizer=optimizer, **FAST).apply(model, Context(TASK))
        trained = outcome.model[0].weight
        assert torch.equal(trained == 0, model[0].weight == 0)
        assert not torch.equal(trained, model[0].weight)
        assert not torch.signbit(trained[trained == 0]).any()
        assert outcome.notes[0].reason == "54 weights of 1 layers stay zero"
        # A layer of nothing but zeros, and biases that start at zero, learn.
        assert (outcome.model[4].weight != 0).any()


def test_they_may_be_let_go() -> None:
    outcome = Train(epochs=1, keep_zeros=False, **FAST).apply(sparse_network(), Context(TASK))
    assert (outcome.model[0].weight != 0).all()
    assert not any("stay zero" in note.reason for note in outcome.notes)


def test_frozen_weights_and_dense_ones_have_no_part() -> None:
    model = sparse_network()
    model[0].weight.requires_grad = False
    assert len(KeptZeros(model)) == 0
    assert not KeptZeros(nn.Linear(3, 3))
