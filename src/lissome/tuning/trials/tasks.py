"""Tasks made of other tasks: fewer validation images, or the original's own answers as labels."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lissome.core.context import BatchTransform, SplitLike, TaskLike
from lissome.core.preprocessing import Preprocessing


@dataclass(frozen=True, slots=True)
class FirstImages:
    """The first images of a split, which are a fair sample of it.

    Args:
        split: The split.
        count: At most so many.
    """

    split: SplitLike
    count: int

    def __len__(self) -> int:
        return min(self.count, len(self.split))

    def batches(
        self,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        transform: BatchTransform | None = None,
        limit: int | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield what the split yields, up to the count; shuffled, that is a random choice of all."""
        count = len(self) if limit is None else min(limit, len(self))
        yield from self.split.batches(batch_size, generator=generator, transform=transform, limit=count)


@dataclass(frozen=True, slots=True)
class Answered:
    """A split whose labels are what a network answers.

    Args:
        split: The images; their labels are not looked at.
        model: The network, in evaluation mode.
    """

    split: SplitLike
    model: nn.Module

    def __len__(self) -> int:
        return len(self.split)

    def batches(
        self,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        transform: BatchTransform | None = None,
        limit: int | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the images with the network's answers."""
        for images, _ in self.split.batches(batch_size, generator=generator, transform=transform, limit=limit):
            with torch.inference_mode():
                answers = self.model(images).argmax(1)
            yield images, answers.clone()


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedTask:
    """A task with other splits.

    Args:
        train: Images to learn from.
        validation: Images for choices.
        test: Images for the final figure.
        classes: Number of classes.
        preprocessing: What happens to a picture.
        loss: Of (output, labels).
        metric: Of (output, labels).
    """

    train: SplitLike
    validation: SplitLike
    test: SplitLike
    classes: int
    preprocessing: Preprocessing
    loss: Callable[[Tensor, Tensor], Tensor]
    metric: Callable[[Tensor, Tensor], Tensor]


def with_fewer_validation_images(task: TaskLike, count: int) -> TaskLike:
    """Return a task whose choices are made on so many images."""
    if len(task.validation) <= count:
        return task
    return _derived(task, validation=FirstImages(task.validation, count))


def with_answers_as_labels(task: TaskLike, model: nn.Module) -> TaskLike:
    """Return a task whose metric is the agreement with a network: for data without labels.

    Args:
        task: Its labels are not looked at.
        model: The network, in evaluation mode.
    """
    splits = {name: Answered(getattr(task, name), model) for name in ("train", "validation", "test")}
    return _derived(task, **splits)


def _derived(task: TaskLike, **changed: Any) -> DerivedTask:
    names = ("train", "validation", "test", "classes", "preprocessing", "loss", "metric")
    return DerivedTask(**{name: getattr(task, name) for name in names} | changed)
