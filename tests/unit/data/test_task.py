from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from lissome.core.context import Context, Need, TaskLike
from lissome.core.errors import BadDataError
from lissome.core.preprocessing import Preprocessing
from lissome.data.metrics import top5_correct
from lissome.data.task import Task

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)
LABELS = np.arange(60) % 3
TENSORS = TensorDataset(torch.from_numpy(PIXELS).permute(0, 3, 1, 2).float(), torch.from_numpy(LABELS))


def test_a_task_is_what_a_context_wants() -> None:
    task: TaskLike = Task.from_arrays(PIXELS, LABELS, PIXELS[:6], LABELS[:6])
    context = Context(task)
    assert context.has(Need.TASK) and context.example_inputs()[0].shape == (1, 3, 8, 8)
    output = torch.eye(3)
    assert task.metric(output, torch.tensor([0, 1, 0])).tolist() == [1.0, 1.0, 0.0]
    assert task.loss(output, torch.arange(3)).ndim == 0


def test_validation_images_leave_the_training_data_and_test_data_stay_whole() -> None:
    task = Task.from_arrays(PIXELS, LABELS, PIXELS[:6], LABELS[:6])
    assert (len(task.train), len(task.validation), len(task.test)) == (54, 6, 6)
    parts = {name: {one.tobytes() for one in getattr(task, name).raw()} for name in ("train", "validation", "test")}
    assert not parts["train"] & parts["validation"]
    assert parts["train"] | parts["validation"] == {one.tobytes() for one in PIXELS}
    assert parts["test"] == {one.tobytes() for one in PIXELS[:6]}


def test_the_seed_decides_what_is_held_out() -> None:
    first, again, other = (
        Task.from_arrays(PIXELS, LABELS, PIXELS, LABELS, seed=seed).validation.raw().tobytes() for seed in (0, 0, 1)
    )
    assert first == again != other


def test_the_first_images_are_a_fair_sample_of_sorted_data() -> None:
    order = np.argsort(LABELS, kind="stable")
    task = Task.from_arrays(PIXELS[order], LABELS[order], PIXELS[order], LABELS[order])
    for split in (task.train, task.validation, task.test):
        assert np.bincount(split.labels()[:6], minlength=3).tolist() == [2, 2, 2]


def test_pixels_get_imagenets_statistics_unless_told_otherwise() -> None:
    assert Task.from_arrays(PIXELS, LABELS, PIXELS, LABELS).preprocessing.mean == (0.485, 0.456, 0.406)
    assert Task.from_arrays(PIXELS[..., 0], LABELS, PIXELS[..., 0], LABELS).preprocessing.mean == (0.5,)
    own = Preprocessing(channels=3, height=4, width=4, scale=1)
    task = Task.from_arrays(PIXELS, LABELS, PIXELS, LABELS, preprocessing=own)
    assert task.preprocessing == own and task.test.raw().shape == (60, 4, 4, 3)


def test_class_names_say_how_many_classes_there_are() -> None:
    names = ("a", "b", "c", "never seen")
    assert Task.from_arrays(PIXELS, LABELS, PIXELS, LABELS, class_names=names).classes == 4
    with pytest.raises(BadDataError, match="label 2 is out of range"):
        Task.from_arrays(PIXELS, LABELS, PIXELS, LABELS, class_names=names[:2])


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ((PIXELS, LABELS[:5]), (PIXELS, LABELS), "train: 60 images but 5 labels"),
        ((PIXELS, LABELS), (PIXELS, LABELS[:5]), "test: 60 images but 5 labels"),
        ((PIXELS, LABELS * 0), (PIXELS, LABELS), "one class"),
        ((PIXELS[:3], LABELS[:3]), (PIXELS, LABELS), "two images"),
        ((PIXELS, LABELS), (PIXELS[:, :4], LABELS), "test images 4x8x3"),
        ((PIXELS, LABELS / 2), (PIXELS, LABELS), "not whole numbers"),
    ],
)
def test_bad_arrays_are_refused(train: Any, test: Any, message: str) -> None:
    with pytest.raises(BadDataError, match=message):
        Task.from_arrays(*train, *test)


def test_another_metric_replaces_the_usual_one() -> None:
    task = replace(Task.from_arrays(PIXELS, LABELS, PIXELS, LABELS), metric=top5_correct)
    assert task.metric is top5_correct


class Stream(IterableDataset[Any]):
    def __init__(self, entries: list[Any]) -> None:
        self.entries = entries

    def __iter__(self) -> Iterator[Any]:
        return iter(self.entries)


class Plain(Dataset[Any]):
    """A data set that gives what it was made of, and may know its labels."""

    def __init__(self, entries: list[Any], targets: list[int] | None = None) -> None:
        self.entries = entries
        if targets is not None:
            self.targets = targets

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Any:
        if hasattr(self, "targets") and not self.entries[index]:
            raise AssertionError("labels were known; nothing should be read")
        return self.entries[index]


ENTRIES = [(image, int(label)) for image, label in TENSORS]


@pytest.mark.parametrize(
    "dataset", [TENSORS, Subset(TENSORS, range(60)), Plain(ENTRIES), Plain(ENTRIES, LABELS.tolist()), Stream(ENTRIES)]
)
def test_any_pair_of_loaders_makes_a_task(dataset: Dataset[Any]) -> None:
    train = DataLoader(dataset, batch_size=7)
    task = Task.from_loaders(train, DataLoader(TENSORS, batch_size=4))
    assert (len(task.train), len(task.validation), len(task.test), task.classes) == (54, 6, 60, 3)
    assert task.preprocessing == Preprocessing(channels=3, height=8, width=8, scale=1)
    assert task.test.raw() is None
    images, labels = next(task.validation.batches(6))
    for image, label in zip(images, labels, strict=True):
        found = [index for index, (other, _) in enumerate(ENTRIES) if torch.equal(other, image)]
        assert ENTRIES[found[0]][1] == label


def test_known_labels_are_not_read_from_the_images() -> None:
    dataset = Plain([()] * 60, LABELS.tolist())
    task = Task.from_loaders(DataLoader(TENSORS), DataLoader(TENSORS), DataLoader(dataset))
    assert task.validation.labels().tolist() == LABELS.tolist()


def test_a_loaders_own_collate_is_used() -> None:
    entries = [{"pixels": image, "class": label} for image, label in ENTRIES]

    def collate(chosen: list[dict[str, Any]]) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.stack([one["pixels"] for one in chosen]), torch.tensor([one["class"] for one in chosen])

    loader = DataLoader(Plain(entries), collate_fn=collate)
    assert len(Task.from_loaders(loader, loader).train) == 54


BIG = torch.zeros(3, 9, 8)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Plain([*ENTRIES, (BIG, 0)]), "images make no batch: stack expects each tensor to be equal size"),
        (Stream([*ENTRIES, (BIG, 0)]), "images make no batch"),
        (Plain([(image, 0) for image, _ in ENTRIES]), "one class"),
        (Plain([(image, 0.5) for image, _ in ENTRIES]), "not whole numbers"),
        (Plain([(image[0], label) for image, label in ENTRIES]), "the images are"),
        (Plain([("a.png", label) for _, label in ENTRIES]), "the images are"),
        (Plain([image for image, _ in ENTRIES]), "not \\(images, labels\\)"),
        (Plain([]), "labels have the shape"),
        (Stream([]), "no images"),
    ],
)
def test_bad_loaders_are_refused(dataset: Dataset[Any], message: str) -> None:
    loader = DataLoader(dataset, batch_size=61 if isinstance(dataset, Plain) and not len(dataset) else 1)
    with pytest.raises(BadDataError, match=message):
        Task.from_loaders(loader, DataLoader(TENSORS))


def test_labels_beyond_the_class_names_are_refused() -> None:
    with pytest.raises(BadDataError, match="train loader: label 2 is out of range"):
        Task.from_loaders(DataLoader(TENSORS), DataLoader(TENSORS), class_names=("a", "b"))
