"""A split over any PyTorch data set of (image tensor, class number)."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset, default_collate

from lissome.core.errors import BadDataError
from lissome.core.preprocessing import Preprocessing
from lissome.data.checks import checked_labels
from lissome.data.parts import Parts
from lissome.data.split import Indices, Labels, Split

CHUNK = 256


class DatasetSplit(Split):
    """Images of a map-style data set, which are pre-processed already; they are read in this process.

    Args:
        dataset: Has a length and gives (image (C, H, W) float, class number) for each index.
        collate: Makes a batch (images, labels) of a list of the data set's entries, as a `DataLoader`'s does.
        labels: (N,) int64; None asks the data set, which may read it once from end to end.
        indices: Which images this split holds; None takes all.

    Raises:
        BadDataError: An entry is no image with a whole number from 0.

    Example:
        >>> split = DatasetSplit(TensorDataset(torch.zeros(3, 1, 4, 4), torch.tensor([0, 1, 0])))
        >>> split.labels().tolist()
        [0, 1, 0]
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        collate: Callable[[list[Any]], Any] = default_collate,
        labels: Labels | None = None,
        indices: Indices | None = None,
    ) -> None:
        super().__init__(labels_of(dataset, collate) if labels is None else labels, indices)
        self._dataset, self._collate = dataset, collate

    def _subset(self, indices: Indices) -> Self:
        return type(self)(self._dataset, self._collate, self._all_labels, indices)

    def _read(self, indices: Indices) -> Tensor:
        images, _ = _batch(self._dataset, indices.tolist(), self._collate)
        return images.float()


def loader_parts(
    train: DataLoader[Any],
    test: DataLoader[Any],
    validation: DataLoader[Any] | None,
    *,
    class_names: tuple[str, ...],
    preprocessing: Preprocessing | None,
) -> Parts:
    """Return the splits behind loaders; the loaders' own batch size and order are not used.

    Args:
        train: Gives pre-processed images and class numbers.
        test: As train.
        validation: As train; None if there is none.
        class_names: One name a class; none means the numbers of the classes that occur.
        preprocessing: What was done to the images; None says nothing is known but their shape.

    Raises:
        BadDataError: See `loader_split` and `labels_of`.
    """
    loaders = {"train": train, "test": test} | ({} if validation is None else {"validation": validation})
    splits = {part: loader_split(loader, part) for part, loader in loaders.items()}
    highest = max(int(split.labels().max()) for split in splits.values())
    names = class_names or tuple(map(str, range(highest + 1)))
    for part, split in splits.items():
        checked_labels(split.labels(), where=f"{part} loader", classes=len(names))
    images, _ = next(splits["train"].batches(1))
    channels, height, width = images.shape[1:]
    return Parts(
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits["test"],
        class_names=names,
        preprocessing=preprocessing or Preprocessing(channels=channels, height=height, width=width, scale=1),
    )


def loader_split(loader: DataLoader[Any], part: str) -> DatasetSplit:
    """Return a split of the data set behind a loader; an iterable data set is read into memory once.

    Raises:
        BadDataError: The loader gives nothing, images of mixed sizes, or something else than images with labels.
    """
    if not isinstance(loader.dataset, IterableDataset):
        return DatasetSplit(loader.dataset, loader.collate_fn)
    where = f"{part} loader"
    batches = [_checked(batch, where) for batch in loader]
    if not batches:
        raise BadDataError("there are no images", where=where, fix="give at least a few of each class")
    try:
        images = torch.cat([images for images, _ in batches])
    except RuntimeError as error:
        raise _mixed(error, where) from error
    return DatasetSplit(TensorDataset(images, torch.cat([torch.as_tensor(labels) for _, labels in batches])))


def labels_of(dataset: Dataset[Any], collate: Callable[[list[Any]], Any] = default_collate) -> Labels:
    """Return the label of each image: from `targets` (as torchvision's data sets have), else by reading all.

    Raises:
        BadDataError: There are none, or they are no class numbers.
    """
    try:
        count = len(dataset)  # type: ignore[arg-type] # torch's Dataset promises no length; most have one
    except TypeError as error:
        raise BadDataError("has no length", where=type(dataset).__name__, fix="give a map-style data set") from error
    known = _known_labels(dataset) if collate is default_collate else None
    if known is None or len(known) != count:
        chunks = [list(range(start, min(start + CHUNK, count))) for start in range(0, count, CHUNK)]
        labels = [np.asarray(_batch(dataset, chunk, collate)[1]) for chunk in chunks]
        known = np.concatenate(labels) if labels else np.empty(0, np.int64)
    return checked_labels(known, where="data set")


def _known_labels(dataset: Dataset[Any]) -> npt.NDArray[Any] | None:
    if isinstance(dataset, Subset):
        inner = _known_labels(dataset.dataset)
        return None if inner is None else inner[np.asarray(dataset.indices, np.int64)]
    if isinstance(dataset, TensorDataset) and len(dataset.tensors) == 2:
        return dataset.tensors[1].numpy()
    targets = getattr(dataset, "targets", None)
    return np.asarray(targets) if isinstance(targets, Tensor | Sequence) else None


def _batch(dataset: Dataset[Any], indices: list[int], collate: Callable[[list[Any]], Any]) -> tuple[Tensor, Any]:
    entries = [dataset[index] for index in indices]
    where = f"data set, images {indices[0]} to {indices[-1]}"
    try:
        batch = collate(entries)
    except (RuntimeError, TypeError) as error:
        raise _mixed(error, where) from error
    return _checked(batch, where)


def _checked(batch: Any, where: str) -> tuple[Tensor, Any]:
    if not (isinstance(batch, tuple | list) and len(batch) == 2):
        raise BadDataError(f"gives {type(batch).__name__}, not (images, labels)", where=where, fix="give pairs")
    images, labels = batch
    if not isinstance(images, Tensor) or images.ndim != 4:
        kind = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise BadDataError(f"the images are {kind}", where=where, fix="give tensors (channels, height, width)")
    return images, labels


def _mixed(error: Exception, where: str) -> BadDataError:
    reason = str(error).splitlines()[0]
    return BadDataError(f"images make no batch: {reason}", where=where, fix="give tensors of one size")
