"""What a network is for: data, loss and metric."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy.typing as npt
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

from lissome.core.errors import SettingError
from lissome.core.preprocessing import Preprocessing
from lissome.data.arrays import array_parts
from lissome.data.cifar10 import cifar10_parts
from lissome.data.class_subset import OTHER, class_numbers, subset_of
from lissome.data.dataset_split import loader_parts
from lissome.data.folder import folder_parts
from lissome.data.metrics import top1_correct
from lissome.data.npz import npz_parts
from lissome.data.parts import Parts, chosen_preprocessing, completed
from lissome.data.split import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Data, loss and metric of a network; make it with one of the `from_` methods.

    The validation images are held out of the training data, 10 % of each class and 5,000 at most, and never come from
    the test data. Every split is in an order in which the first images are a fair sample of the whole. Other losses and
    metrics: ``dataclasses.replace(task, metric=top5_correct)``.

    Args:
        train: Images to learn from.
        validation: Images every choice is made on.
        test: Images for the final figure.
        class_names: One name a class.
        preprocessing: What happens to a picture before the network sees it.
        loss: The training loss of (output, labels), a scalar. Default cross entropy.
        metric: The score of each sample from (output, labels), (N,), higher is better. Default: 1 where right, else 0.
        remarks: What was decided about the data that the user should be told.

    Example:
        >>> import numpy as np
        >>> pixels, labels = np.zeros((40, 8, 8, 3), np.uint8), np.arange(40) % 2
        >>> task = Task.from_arrays(pixels, labels, pixels, labels)
        >>> len(task.train), len(task.validation), len(task.test), task.classes
        (36, 4, 40, 2)
    """

    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    loss: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy
    metric: Callable[[Tensor, Tensor], Tensor] = top1_correct
    remarks: tuple[str, ...] = ()

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def only(self, classes: Sequence[int | str], *, other: bool = False) -> Self:
        """Return the task of some of the classes, numbered anew from 0 in their order here.

        Args:
            classes: Their numbers or names, in any order.
            other: Images of all other classes stay as one class more, the last; of the training images no more of
                them than of the classes named.

        Raises:
            SettingError: A class does not exist, is named twice, or it is none or all of them.
            UnknownNameError: No class is called so.

        Example:
            >>> import numpy as np
            >>> pixels, labels = np.zeros((40, 8, 8, 3), np.uint8), np.arange(40) % 4
            >>> task = Task.from_arrays(pixels, labels, pixels, labels, class_names=["cat", "dog", "frog", "horse"])
            >>> some = task.only(["frog", "cat"], other=True)
            >>> some.class_names, len(task.test), len(some.test), len(some.train), len(task.only([1]).train)
            (('cat', 'frog', 'other'), 40, 40, 36, 9)
        """
        chosen = class_numbers(classes, self.class_names)
        train, validation, test = (
            subset_of(one, chosen, self.classes, other=other, even=one is self.train)
            for one in (self.train, self.validation, self.test)
        )
        names = (*(self.class_names[one] for one in chosen), *((OTHER,) if other else ()))
        return dataclasses.replace(self, train=train, validation=validation, test=test, class_names=names)

    @classmethod
    def from_arrays(
        cls,
        train_images: npt.ArrayLike,
        train_labels: npt.ArrayLike,
        test_images: npt.ArrayLike,
        test_labels: npt.ArrayLike,
        *,
        class_names: Sequence[str] = (),
        preprocessing: Preprocessing | None = None,
        seed: int = 0,
    ) -> Self:
        """Make a task of images in memory.

        Args:
            train_images: (N, H, W, C), (N, C, H, W) or (N, H, W), uint8.
            train_labels: (N,) class numbers from 0.
            test_images: As the training images.
            test_labels: As the training labels.
            class_names: One name a class; none means the numbers of the classes that occur.
            preprocessing: None takes pixels / 255 with ImageNet's mean and deviation, or 0.5 and 0.5 if not RGB.
            seed: Decides what is held out.

        Raises:
            BadDataError: Empty, of mixed sizes, of one class, of differing lengths, or labels out of range.
        """
        parts = array_parts(
            (train_images, train_labels),
            (test_images, test_labels),
            class_names=tuple(class_names),
            preprocessing=preprocessing,
            where="arrays",
        )
        return cls._of(parts, seed, "arrays")

    @classmethod
    def from_cifar10(cls, path: str | os.PathLike[str] | None = None, *, seed: int = 0) -> Self:
        """Make a task of CIFAR-10: 45,000 training, 5,000 validation and 10,000 test images.

        Args:
            path: See `cifar10_parts`; None looks in the folder LISSOME_DATA names.
            seed: Decides what is held out.

        Raises:
            BadDataError: A file is absent or damaged.
        """
        return cls._of(cifar10_parts(path), seed, "CIFAR-10")

    @classmethod
    def from_npz(
        cls,
        path: str | os.PathLike[str],
        *,
        input: tuple[int, int, int] | None = None,
        preprocessing: Preprocessing | None = None,
        seed: int = 0,
    ) -> Self:
        """Make a task of an .npz file with x_train, y_train, x_test and y_test, or images and labels.

        Args:
            path: The file. With images and labels only, a fifth of each class becomes test data, and `remarks` says so.
            input: (channels, height, width) to bring the images to; None keeps theirs.
            preprocessing: As for `from_arrays`, instead of `input`.
            seed: Decides what is held out.

        Raises:
            BadDataError: As `from_arrays`, and where the file cannot be read.
            SettingError: Both `input` and `preprocessing` are given.
        """
        prepared = chosen_preprocessing(input, preprocessing, where="from_npz")
        return cls._of(npz_parts(Path(path), prepared), seed, str(path))

    @classmethod
    def from_folder(
        cls,
        path: str | os.PathLike[str],
        *,
        input: tuple[int, int, int] | None = None,
        preprocessing: Preprocessing | None = None,
        seed: int = 0,
    ) -> Self:
        """Make a task of image files, one folder a class; they are decoded when needed.

        Args:
            path: Holds train/, test/ and perhaps val/, each with a folder a class; or only folders of classes: then a
                fifth of each class becomes test data, and `remarks` says so.
            input: (channels, height, width): images are scaled to cover it and cropped at their centre.
            preprocessing: As for `from_arrays`, instead of `input`.
            seed: Decides what is held out.

        Raises:
            BadDataError: The folder is absent or empty, a file is no image, or there is one class only.
            SettingError: Not exactly one of `input` and `preprocessing` is given.
        """
        prepared = chosen_preprocessing(input, preprocessing, where="from_folder")
        if prepared is None:
            raise SettingError("the input size is not known", where="from_folder", fix="give input=(3, 224, 224), say")
        return cls._of(folder_parts(Path(path), prepared), seed, str(path))

    @classmethod
    def from_loaders(
        cls,
        train: DataLoader[Any],
        test: DataLoader[Any],
        validation: DataLoader[Any] | None = None,
        *,
        class_names: Sequence[str] = (),
        preprocessing: Preprocessing | None = None,
        seed: int = 0,
    ) -> Self:
        """Make a task of the data sets behind loaders, whose images are pre-processed already.

        Args:
            train: Gives (images (N, C, H, W), class numbers (N,)).
            test: As train.
            validation: As train; None holds a tenth of the training images out.
            class_names: One name a class; none means the numbers of the classes that occur.
            preprocessing: What the data set did to the pictures, so that it travels with the artifact; None says that
                the network takes what the data set gives.
            seed: Decides what is held out.

        Raises:
            BadDataError: Empty, of mixed sizes, of one class, or labels that are no class numbers.
        """
        parts = loader_parts(train, test, validation, class_names=tuple(class_names), preprocessing=preprocessing)
        return cls._of(parts, seed, "loaders")

    @classmethod
    def _of(cls, parts: Parts, seed: int, where: str) -> Self:
        whole = completed(parts, seed=seed, where=where)
        return cls(
            train=whole.train,
            validation=whole.validation,
            test=whole.test,
            class_names=whole.class_names,
            preprocessing=whole.preprocessing,
            remarks=whole.remarks,
        )
