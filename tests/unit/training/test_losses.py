"""Losses against values computed by hand, and training with each."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import lissome as ls
from lissome.core.errors import SettingError
from lissome.tables import LOSSES, recipe_from_toml

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.0], [-2.0, 3.0, 0.0], [0.0, 0.0, 4.0]])
NUMBERS = torch.tensor([0, 2, 1, 0])
SHARES = functional.one_hot(NUMBERS, 3).float()
EXAMPLES = {
    "CrossEntropy": ls.losses.CrossEntropy(smoothing=0.1),
    "Focal": ls.losses.Focal(gamma=1.5),
    "HardExamples": ls.losses.HardExamples(share=0.5),
    "RefinedLabels": ls.losses.RefinedLabels(trust=0.5, loss=ls.losses.Focal()),
}


def test_all_are_here():
    assert sorted(EXAMPLES) == sorted(LOSSES)
    assert sorted(ls.losses.__all__) == sorted([*LOSSES, "Loss"])


@pytest.mark.parametrize("loss", EXAMPLES.values(), ids=EXAMPLES)
def test_class_numbers_and_their_shares_are_the_same_target(loss):
    assert torch.allclose(loss(LOGITS, NUMBERS), loss(LOGITS, SHARES))
    assert loss(LOGITS, NUMBERS) > 0


@pytest.mark.parametrize(
    "loss",
    [
        ls.losses.CrossEntropy(),
        ls.losses.Focal(gamma=0),
        ls.losses.HardExamples(share=1),
        ls.losses.RefinedLabels(trust=0),
    ],
)
def test_at_their_mildest_all_are_the_cross_entropy(loss):
    assert torch.allclose(loss(LOGITS, NUMBERS), functional.cross_entropy(LOGITS, NUMBERS))


def test_focal_weighs_by_what_is_missing():
    logits = torch.tensor([[math.log(3.0), 0.0]])
    # p = 3/4: (1/4)² · ln(4/3)
    assert ls.losses.Focal(gamma=2)(logits, torch.tensor([0])).item() == pytest.approx(math.log(4 / 3) / 16, rel=1e-5)


def test_focal_has_a_gradient_where_it_is_sure():
    logits = torch.tensor([[60.0, 0.0]], requires_grad=True)
    ls.losses.Focal(gamma=0.5)(logits, torch.tensor([0])).backward()
    assert torch.isfinite(logits.grad).all()


def test_hard_examples_are_the_half_with_the_largest_loss():
    each = functional.cross_entropy(LOGITS, NUMBERS, reduction="none")
    expected = each.sort(descending=True).values[:2].mean()
    assert torch.allclose(ls.losses.HardExamples(share=0.5)(LOGITS, NUMBERS), expected)
    assert torch.allclose(ls.losses.HardExamples(share=0.01)(LOGITS, NUMBERS), each.max())


def test_refined_labels_lie_between_label_and_teacher():
    answer = torch.tensor([[0.0, math.log(2.0), 0.0]])
    refined = ls.losses.RefinedLabels(trust=0.4).refined(torch.tensor([0]), answer)
    assert torch.allclose(refined, torch.tensor([[0.6 + 0.4 / 4, 0.4 / 2, 0.4 / 4]]))


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("CrossEntropy", "smoothing", 1.0),
        ("Focal", "gamma", -1.0),
        ("HardExamples", "share", 0.0),
        ("RefinedLabels", "trust", 2.0),
    ],
)
def test_values_out_of_range_are_refused(kind, name, value):
    with pytest.raises(SettingError, match=f"{kind}: {name} is {value}"):
        getattr(ls.losses, kind)(**{name: value})


def stripes(count, seed):
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = generator.integers(0, 100, (count, 8, 8, 3))
    images[labels == 0, ::2] += 100
    images[labels == 1, :, ::2] += 100
    return images.astype(np.uint8), labels


@pytest.fixture(scope="module")
def task():
    return ls.Task.from_arrays(*stripes(160, 0), *stripes(32, 1))


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 2),
    ).eval()


POLICY = ls.augmentations.Policy(
    augmentations=(
        ls.augmentations.Noise(strength=0.02),
        ls.augmentations.MixUp(concentration=0.2),
        ls.augmentations.CutMix(chance=0.2),
    )
)


@pytest.mark.parametrize("loss", EXAMPLES.values(), ids=EXAMPLES)
def test_training_with_each_and_a_policy_learns_the_stripes(loss, task):
    teacher = network() if isinstance(loss, ls.losses.RefinedLabels) else None
    step = ls.Train(
        epochs=4, batch_size=16, precision="float32", loss=loss, teacher=teacher, augmentation=POLICY,
        optimizer=ls.optimizers.SGD(learning_rate=0.1),
    )  # fmt: skip
    outcome = step.apply(network(), ls.Context(task))
    assert outcome.measurements["val_metric"] >= 0.9


def test_a_sure_teacher_of_wrong_labels_is_believed_as_far_as_it_is_trusted(task):
    class Wrong(nn.Module):
        def forward(self, x):
            rows = x.diff(dim=2).abs().mean((1, 2, 3))
            columns = x.diff(dim=3).abs().mean((1, 2, 3))
            return 50 * torch.stack([columns - rows, rows - columns], 1)  # the other way round

    scores = {}
    for trust in (0.0, 1.0):
        step = ls.Train(
            epochs=4, batch_size=16, precision="float32", teacher=Wrong(), augmentation="none", keep="last",
            loss=ls.losses.RefinedLabels(trust=trust), optimizer=ls.optimizers.SGD(learning_rate=0.1),
        )  # fmt: skip
        scores[trust] = step.apply(network(), ls.Context(task)).measurements["val_metric"]
    assert scores[0.0] >= 0.9
    assert scores[1.0] <= 0.1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": ls.losses.Focal(), "label_smoothing": 0.1}, "exclude each other"),
        ({"loss": ls.losses.RefinedLabels()}, "need a teacher"),
        ({"loss": ls.losses.RefinedLabels(), "teacher": "original", "alpha": 0.5}, "take the place"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        ls.Train(epochs=1, **settings)


def test_a_task_with_a_loss_of_its_own_keeps_it(task):
    from dataclasses import replace

    own = replace(task, loss=lambda output, labels: output.square().mean())
    with pytest.raises(SettingError, match="Focal needs the cross entropy"):
        ls.Train(epochs=1, loss=ls.losses.Focal()).apply(network(), ls.Context(own))


def test_a_recipe_file_holds_policy_and_loss():
    step = ls.Train(epochs=1, augmentation=POLICY, loss=EXAMPLES["RefinedLabels"], teacher="original")
    assert recipe_from_toml(ls.recipe_to_toml(step)) == ls.Recipe(step)
