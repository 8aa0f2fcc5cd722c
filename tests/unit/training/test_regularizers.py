import math

import numpy as np
import pytest
import torch
from torch import nn

from lissome.core.context import Context
from lissome.core.errors import SettingError
from lissome.data.task import Task
from lissome.training.histogram import BINS, histogram, share_near_zero
from lissome.training.optimizers import SGD
from lissome.training.regularizers import GroupLasso, L1OnBatchNormScale
from lissome.training.train import Train

FAST = {"batch_size": 32, "precision": "float32", "augmentation": "none", "keep": "last"}


def _task() -> Task:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (160, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(160) % 2
    images[labels == 0] //= 2
    return Task.from_arrays(images, labels, images[:16], labels[:16])


TASK = _task()


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 1),
            nn.BatchNorm2d(8),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 2),
        ).eval()


def test_the_gradient_is_that_of_the_penalty_and_added_to_the_loss() -> None:
    model = network()
    with torch.no_grad():
        model[1].weight.uniform_(-1, 1)
    for one in model.parameters():
        one.grad = torch.ones_like(one)
    L1OnBatchNormScale(strength=0.25, only=("1",)).build(model).add_gradient()
    assert torch.equal(model[1].weight.grad, 1 + 0.25 * model[1].weight.sign())
    assert torch.equal(model[4].weight.grad, torch.ones(8))
    assert torch.equal(model[0].weight.grad, torch.ones(8, 3, 3, 3))


def test_the_group_lasso_has_the_gradient_that_autograd_gives() -> None:
    model = network()
    loss = sum((one.weight.flatten(1).norm(dim=1) * one.weight[0].numel() ** 0.5).sum() for one in (model[0], model[3]))
    expected = torch.autograd.grad(0.1 * loss, [model[0].weight, model[3].weight])
    for one in model.parameters():
        one.grad = torch.zeros_like(one)
    GroupLasso(strength=0.1).build(model).add_gradient()
    torch.testing.assert_close([model[0].weight.grad, model[3].weight.grad], list(expected))


def test_a_filter_of_zeros_has_a_finite_gradient() -> None:
    model = network()
    nn.init.zeros_(model[0].weight).grad = torch.zeros(8, 3, 3, 3)
    GroupLasso(strength=0.1).build(model[0]).add_gradient()
    assert torch.equal(model[0].weight.grad, torch.zeros(8, 3, 3, 3))


@pytest.mark.parametrize(
    ("regularizer", "strongest", "magnitudes"),
    [
        (L1OnBatchNormScale, 0.2, lambda model: torch.cat([model[1].weight.abs(), model[4].weight.abs()])),
        (GroupLasso, 0.01, lambda model: torch.cat([model[i].weight.flatten(1).pow(2).mean(1).sqrt() for i in (0, 3)])),
    ],
    ids=["scales", "filters"],
)
def test_a_pull_makes_small_and_the_receipt_says_how_many(
    regularizer: type, strongest: float, magnitudes: object
) -> None:
    means = []
    for strength in (0.0, strongest):
        step = Train(epochs=16, optimizer=SGD(learning_rate=0.1), regularizer=regularizer(strength=strength), **FAST)
        outcome = step.apply(network(), Context(TASK))
        figures, found = outcome.measurements, magnitudes(outcome.model).detach()
        means.append(float(found.mean()))
        assert figures["histogram"] == histogram(found)
        assert figures["history"][-1]["near_zero"] == float((found < 0.01).double().mean())
    assert means[1] < 0.5 * means[0]


def test_scales_start_where_they_are_told_to() -> None:
    model = network()
    L1OnBatchNormScale(start=0.5).build(model)
    assert set(model[1].weight.tolist()) == set(model[4].weight.tolist()) == {0.5}
    before = model[1].weight.clone()
    L1OnBatchNormScale().build(model)
    assert torch.equal(model[1].weight, before)


def test_without_a_regularizer_nothing_is_recorded_of_it() -> None:
    figures = Train(epochs=1, **FAST).apply(network(), Context(TASK)).measurements
    assert "histogram" not in figures
    assert "near_zero" not in figures["history"][0]


@pytest.mark.parametrize(
    ("regularizer", "model", "message"),
    [
        (L1OnBatchNormScale(), nn.Conv2d(3, 2, 1), "no trainable BatchNorm2d"),
        (L1OnBatchNormScale(), nn.BatchNorm2d(2, affine=False), "no trainable BatchNorm2d"),
        (GroupLasso(), nn.Linear(3, 2), "no trainable Conv2d"),
        (L1OnBatchNormScale(only=("7*",)), network(), r"L1OnBatchNormScale.only: no layer matches '7\*'"),
    ],
)
def test_networks_that_have_nothing_to_pull_on_are_refused(
    regularizer: L1OnBatchNormScale | GroupLasso, model: nn.Module, message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        regularizer.build(model)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (L1OnBatchNormScale, {"strength": -1.0}),
        (L1OnBatchNormScale, {"start": 0.0}),
        (GroupLasso, {"strength": -1.0}),
    ],
)
def test_values_out_of_range_are_refused(kind: type, settings: dict[str, float]) -> None:
    ((name, value),) = settings.items()
    with pytest.raises(SettingError, match=f"{kind.__name__}: {name}|{name} is {value}"):
        kind(**settings)


def test_histograms_count_every_number_once() -> None:
    numbers = torch.rand(1000, generator=torch.Generator().manual_seed(0)) * 3
    table = histogram(numbers)
    assert sum(table["counts"]) == 1000
    assert len(table["counts"]) == BINS
    assert math.isclose(table["edges"][-1], float(numbers.max()), rel_tol=1e-5)
    assert sum(histogram(torch.zeros(4))["counts"]) == 4
    assert share_near_zero(torch.tensor([0.0, 0.0099, 0.01, 1.0])) == 0.5
