import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.core.context import Context, Need
from lissome.core.errors import BadModelError, SettingError
from lissome.core.module_graph import trace
from lissome.core.recipe import Recipe
from lissome.core.recipe_toml import recipe_from_toml, recipe_to_toml
from lissome.core.settings import fingerprint
from lissome.data.augment_crop_flip import CropFlip
from lissome.data.task import Task
from lissome.layers.fake_quantize import FakeQuantize, with_rounded_weights
from lissome.training import train
from lissome.training.evaluate import evaluate
from lissome.training.optimizers import SGD, AdamW
from lissome.training.train import Train

FAST = {"batch_size": 32, "precision": "float32", "augmentation": "none"}
KINDS = {
    "Train": "lissome.training.train:Train",
    "SGD": "lissome.training.optimizers:SGD",
    "AdamW": "lissome.training.optimizers:AdamW",
    "CropFlip": "lissome.data.augment_crop_flip:CropFlip",
}


def stripes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of horizontal (0) or vertical (1) stripes under noise."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = generator.integers(0, 100, (count, 8, 8, 3))
    images[labels == 0, ::2] += 100
    images[labels == 1, :, ::2] += 100
    return images.astype(np.uint8), labels


TASK = Task.from_arrays(*stripes(320, 0), *stripes(64, 1))


def network(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 2),
        ).eval()


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("optimizer", [SGD(learning_rate=0.1), AdamW(learning_rate=0.02)])
def test_a_network_learns_and_the_one_given_does_not(optimizer: SGD | AdamW) -> None:
    model = network()
    before = fingerprint(model)
    outcome = Train(epochs=6, optimizer=optimizer, **FAST).apply(model, Context(TASK))
    assert evaluate(outcome.model, TASK.test, TASK.metric) > 0.9
    assert fingerprint(model) == before
    assert not outcome.model.training and all(one.grad is None for one in outcome.model.parameters())
    assert outcome.model[0].weight.is_contiguous()
    history = outcome.measurements["history"]
    assert [entry["epoch"] for entry in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1]["loss"] < history[0]["loss"]
    assert outcome.measurements["val_metric"] == max(entry["val_metric"] for entry in history)
    assert outcome.measurements["val_metric_before"] == evaluate(model, TASK.validation, TASK.metric)


def test_the_same_seed_gives_the_same_bytes() -> None:
    model = network()
    step = Train(epochs=2, batch_size=32, precision="float32")
    first, again, other = (fingerprint(step.apply(model, Context(TASK, seed=seed)).model) for seed in (3, 3, 4))
    assert first == again != other


def test_the_global_generator_is_left_as_it_was() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    Train(epochs=1, **FAST).apply(network(), Context(TASK))
    assert torch.equal(torch.rand(3), expected)


def test_best_keeps_the_best_epoch_and_last_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    scores = {"best": iter([0.5, 0.7, 0.9, 0.6]), "last": iter([0.5, 0.7, 0.9, 0.6])}
    weights: list[str] = []
    for keep in ("best", "last"):

        def scripted(model: nn.Module, *_: object, keep: str = keep) -> float:
            weights.append(fingerprint(model))
            return next(scores[keep])

        monkeypatch.setattr(train, "evaluate", scripted)
        outcome = Train(epochs=3, keep=keep, **FAST).apply(model, Context(TASK))
        chosen = weights[2 if keep == "best" else 3]
        weights.clear()
        assert fingerprint(outcome.model) == chosen
        assert outcome.measurements["best_epoch"] == (2 if keep == "best" else 3)
        assert outcome.measurements["val_metric"] == (0.9 if keep == "best" else 0.6)


class Forbidden:
    """A split that must not be read."""

    def __len__(self) -> int:
        raise AssertionError("the test data were looked at")

    def batches(self, *_: object, **__: object) -> None:
        raise AssertionError("the test data were read")


def test_the_test_data_are_never_read() -> None:
    outcome = Train(epochs=1, **FAST).apply(network(), Context(replace(TASK, test=Forbidden())))
    assert outcome.measurements["best_epoch"] == 1


def test_a_worse_network_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.9, 0.8])
    monkeypatch.setattr(train, "evaluate", lambda *_: next(scores))
    outcome = Train(epochs=1, **FAST).apply(network(), Context(TASK))
    assert "fell from 0.9000 to 0.8000" in outcome.notes[0].reason


def test_the_teacher_is_followed_where_the_labels_are_wrong() -> None:
    teacher = Train(epochs=6, optimizer=SGD(learning_rate=0.1), **FAST).apply(network(), Context(TASK)).model
    images, labels = stripes(320, 0)
    lies = Task.from_arrays(images, np.random.default_rng(0).permutation(labels), *stripes(64, 1))
    step = Train(epochs=6, optimizer=SGD(learning_rate=0.1), alpha=1.0, keep="last", **FAST)
    alone = step.apply(network(1), Context(lies)).model
    taught = replace(step, teacher=teacher).apply(network(1), Context(lies)).model
    assert evaluate(taught, TASK.test, TASK.metric) > 0.9
    assert evaluate(alone, TASK.test, TASK.metric) < 0.8
    by_recipe = Recipe(replace(step, teacher="original")).apply(network(1), Context(lies, original=teacher)).model
    assert fingerprint(by_recipe) == fingerprint(taught)


def test_the_original_is_needed_only_as_teacher() -> None:
    step = Train(epochs=1, teacher="original")
    assert step.requires() == (Need.TASK, Need.ORIGINAL)
    assert Train(epochs=1).requires() == (Need.TASK,)
    with pytest.raises(SettingError, match="needs the uncompressed network"):
        step.apply(network(), Context(TASK))


def test_divergence_is_an_error_with_the_fix() -> None:
    step = Train(epochs=2, optimizer=SGD(learning_rate=1e30), **FAST)
    with pytest.raises(SettingError, match=r"the loss became (nan|inf) in step .* of epoch 1; lower the learning rate"):
        step.apply(network(), Context(TASK))


def test_clipping_bounds_each_step() -> None:
    model = network()
    optimizer = SGD(learning_rate=1.0, momentum=0.0, nesterov=False, weight_decay=0.0)
    step = Train(epochs=1, optimizer=optimizer, schedule="constant", warm_up=0.0, gradient_clip=1e-3, **FAST)
    outcome = step.apply(model, Context(TASK))
    moved = [new - old for new, old in zip(outcome.model.parameters(), model.parameters(), strict=True)]
    distance = torch.cat([one.flatten() for one in moved]).norm().item()
    steps = len(TASK.train) // 32
    assert 0 < distance <= steps * 1e-3 * 1.001


def test_label_smoothing_belongs_to_the_cross_entropy() -> None:
    plain, smooth = (
        Train(epochs=1, label_smoothing=share, **FAST).apply(network(), Context(TASK)) for share in (0.0, 0.3)
    )
    assert fingerprint(plain.model) != fingerprint(smooth.model)

    def own_loss(output: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(output, labels)

    with pytest.raises(SettingError, match="needs the cross entropy"):
        Train(epochs=1, label_smoothing=0.1, **FAST).apply(network(), Context(replace(TASK, loss=own_loss)))
    same = Train(epochs=1, **FAST).apply(network(), Context(replace(TASK, loss=own_loss)))
    assert fingerprint(same.model) == fingerprint(plain.model)


def test_bfloat16_trains_too_and_weights_stay_float32() -> None:
    step = Train(epochs=4, batch_size=32, optimizer=SGD(learning_rate=0.1), precision="bfloat16", augmentation="none")
    outcome = step.apply(network(), Context(TASK))
    assert outcome.measurements["precision"] == "bfloat16"
    assert evaluate(outcome.model, TASK.test, TASK.metric) > 0.9
    assert {one.dtype for one in outcome.model.parameters()} == {torch.float32}


def test_traced_and_quantized_networks_train() -> None:
    model = network()
    quantized = nn.Sequential(
        FakeQuantize(0.05, 128), with_rounded_weights(copy.deepcopy(model[0]), torch.full((8,), 0.01)), *model[1:]
    )
    outcome = Train(epochs=1, batch_size=32).apply(trace(quantized), Context(TASK))
    assert outcome.measurements["precision"] == "float32"
    weights = {name: tensor for name, tensor in outcome.model.state_dict().items() if name.endswith("weight")}
    assert not torch.equal(weights["1.weight"], model[0].weight)


class Views(nn.Module):
    """Flattens with `view`, which refuses the channels_last layout."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(192, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return two logits."""
        result: Tensor = self.classifier(x.view(x.shape[0], -1))
        return result


def test_a_network_that_needs_the_contiguous_layout_trains() -> None:
    outcome = Train(epochs=1, teacher=Views(), **FAST).apply(Views(), Context(TASK))
    assert math.isfinite(outcome.measurements["history"][0]["loss"])


def test_a_last_batch_of_one_image_does_no_harm() -> None:
    task = replace(TASK, train=TASK.train.subset(np.arange(33)))
    outcome = Train(epochs=1, **FAST).apply(
        nn.Sequential(nn.Flatten(), nn.BatchNorm1d(192), nn.Linear(192, 2)), Context(task)
    )
    assert math.isfinite(outcome.measurements["history"][0]["loss"])


def test_fewer_images_than_a_batch_are_one_batch() -> None:
    task = replace(TASK, train=TASK.train.subset(np.arange(20)))
    model = network()
    assert fingerprint(Train(epochs=1, **FAST).apply(model, Context(task)).model) != fingerprint(model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 1)), "gives 1x1 for one image of 2 classes"),
        (nn.Conv2d(3, 2, 1), "gives 1x2x8x8"),
        (nn.Flatten(), "no trainable parameter"),
    ],
)
def test_networks_that_cannot_be_trained_are_refused(model: nn.Module, message: str) -> None:
    with pytest.raises(BadModelError, match=message):
        Train(epochs=1, **FAST).apply(model, Context(TASK))


def test_small_images_are_cropped_and_large_ones_only_mirrored() -> None:
    step = Train(epochs=1)
    labels = torch.zeros(1, dtype=torch.int64)
    assert step._transform(torch.zeros(1, 3, 64, 64), labels) == CropFlip(padding=4)
    assert step._transform(torch.zeros(1, 3, 64, 65), labels) == CropFlip(padding=0)
    assert replace(step, augmentation="none")._transform(torch.zeros(1, 3, 8, 8), labels) is None
    own = CropFlip(padding=1)
    assert replace(step, augmentation=own)._transform(torch.zeros(1, 3, 8, 8), labels) is own


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("warm_up", 1.0),
        ("temperature", 0.0),
        ("alpha", 1.1),
        ("label_smoothing", 1.0),
        ("gradient_clip", 0.0),
    ],
)
def test_values_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(SettingError, match=f"Train: {name} is {value}"):
        Train(**{"epochs": 1, name: value})


def test_a_recipe_file_holds_all_settings() -> None:
    step = Train(
        epochs=3,
        batch_size=64,
        optimizer=AdamW(learning_rate=0.01),
        schedule="one_cycle",
        warm_up=0.2,
        teacher="original",
        temperature=2.0,
        alpha=0.5,
        label_smoothing=0.1,
        precision="float32",
        augmentation=CropFlip(padding=2),
        gradient_clip=1.0,
        keep="last",
    )
    for one in (step, Train(epochs=1)):
        assert recipe_from_toml(recipe_to_toml(one), KINDS) == Recipe(one)


def test_what_happens_is_told() -> None:
    said: list[str] = []
    tasks: set[str] = set()

    class Watcher:
        def advance(self, task: str, done: int, total: int | None) -> None:
            tasks.add(f"{task}/{total}")

        def say(self, message: str) -> None:
            said.append(message)

    Train(epochs=2, **FAST).apply(network(), Context(TASK, progress=Watcher()))
    assert tasks == {"epoch 1 of 2/9", "epoch 2 of 2/9"}
    assert [message.split(":")[0] for message in said] == ["epoch 1 of 2", "epoch 2 of 2"]
