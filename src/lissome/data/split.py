"""One part of the data: images with labels, read in batches."""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lissome.core.context import BatchTransform
from lissome.core.errors import SettingError
from lissome.core.preprocessing import Preprocessing

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int64]


class Split(ABC):
    """Images with labels, in a fixed order, some of a source's or all.

    Args:
        labels: The labels of the whole source, (N,) integers.
        indices: Which images of the source this split holds, in its order; None takes all.
    """

    def __init__(self, labels: Labels, indices: Indices | None = None) -> None:
        self._all_labels = labels
        self._indices = np.arange(len(labels)) if indices is None else np.asarray(indices, np.int64)

    def __len__(self) -> int:
        return len(self._indices)

    def labels(self) -> Labels:
        """Return the label of each image, (N,), in the order of `batches` without a generator."""
        return self._all_labels[self._indices]

    def raw(self, limit: int | None = None) -> Images | None:
        """Return the first images as pixels, (N, H, W, C); None where the source has none."""
        del limit
        return None

    @abstractmethod
    def _subset(self, indices: Indices) -> Self:
        """Return a split of the same source with these of its images."""

    @abstractmethod
    def _read(self, indices: Indices) -> Tensor:
        """Return these images of the source, pre-processed: (N, C, H, W) float32."""

    def subset(self, positions: Indices) -> Self:
        """Return a split of the images at these positions of this one, in that order."""
        return self._subset(self._indices[positions])

    def relabelled(self, mapping: Labels) -> Self:
        """Return the same images with other labels: each becomes ``mapping[label]``."""
        changed = copy.copy(self)
        changed._all_labels = mapping[self._all_labels]
        return changed

    def batches(
        self,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        transform: BatchTransform | None = None,
        limit: int | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pre-processed images and their labels.

        Args:
            batch_size: Images a batch, ≥ 1; the last one may be smaller.
            generator: Shuffles the images, and draws for the transform; None keeps the order.
            transform: An augmentation of whole batches; needs a generator.
            limit: At most so many images: the first ones, or a random choice when a generator is given.

        Yields:
            (N, C, H, W) float32 images and (N,) int64 labels.

        Raises:
            SettingError: A size is below 1, or a transform is given without a generator.
            BadDataError: An image cannot be read; names it.
        """
        if batch_size < 1 or (limit is not None and limit < 1):
            raise SettingError(
                f"batch_size is {batch_size}, limit is {limit}", where="batches", fix="choose values of at least 1"
            )
        if transform is not None and generator is None:
            raise SettingError("a transform needs a generator", where="batches", fix="give generator=")
        order = self._indices
        if generator is not None:
            order = order[torch.randperm(len(order), generator=generator).numpy()]
        order = order[:limit]
        for number in range(math.ceil(len(order) / batch_size)):
            chosen = order[number * batch_size : (number + 1) * batch_size]
            images, labels = self._read(chosen), torch.from_numpy(self._all_labels[chosen])
            if transform is not None and generator is not None:
                images, labels = transform(images, labels, generator)
            # Others hand these to engines and to networks that call `view`, which read memory as it lies.
            yield images.contiguous(), labels


class PixelSplit(Split):
    """A split whose source has pixels: subclasses say how to get them.

    Args:
        labels: As for `Split`.
        preprocessing: Turns pixels into the network's input.
        indices: As for `Split`.
    """

    def __init__(self, labels: Labels, preprocessing: Preprocessing, indices: Indices | None = None) -> None:
        super().__init__(labels, indices)
        self.preprocessing = preprocessing
        self._mean = torch.tensor(preprocessing.mean).reshape(1, -1, 1, 1)
        self._std = torch.tensor(preprocessing.std).reshape(1, -1, 1, 1)

    @abstractmethod
    def _pixels(self, indices: Indices) -> Images:
        """Return these images of the source, (N, H, W, C) uint8."""

    def raw(self, limit: int | None = None) -> Images:
        """Return the first `limit` images before pre-processing, (N, H, W, C) uint8; all when None."""
        return self._pixels(self._indices[:limit])

    def _read(self, indices: Indices) -> Tensor:
        # The same operations in the same order as Preprocessing.apply, so the same bits.
        images = torch.from_numpy(self._pixels(indices)).permute(0, 3, 1, 2).float()
        return images.div_(self.preprocessing.scale).sub_(self._mean).div_(self._std)


class ArraySplit(PixelSplit):
    """Images in memory.

    Args:
        images: (N, H, W, C) uint8.
        labels: (N,) int64.
        preprocessing: Turns pixels into the network's input; of the images' shape.
        indices: Which images this split holds; None takes all.

    Example:
        >>> pixels = np.zeros((5, 2, 2, 1), np.uint8)
        >>> split = ArraySplit(pixels, np.arange(5), Preprocessing(channels=1, height=2, width=2))
        >>> [tuple(images.shape) for images, _ in split.batches(2)]
        [(2, 1, 2, 2), (2, 1, 2, 2), (1, 1, 2, 2)]
    """

    def __init__(
        self, images: Images, labels: Labels, preprocessing: Preprocessing, indices: Indices | None = None
    ) -> None:
        super().__init__(labels, preprocessing, indices)
        self._images = images

    def _subset(self, indices: Indices) -> Self:
        return type(self)(self._images, self._all_labels, self.preprocessing, indices)

    def _pixels(self, indices: Indices) -> Images:
        return self._images[indices]
