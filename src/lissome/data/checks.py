"""Refusals of data that cannot be worked with, each with what, where and the fix."""

from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from lissome.core.errors import BadDataError
from lissome.data.split import Images, Labels

CHANNEL_COUNTS = (1, 3, 4)


def checked_labels(labels: npt.ArrayLike, *, where: str, classes: int | None = None) -> Labels:
    """Return labels as (N,) int64.

    Args:
        labels: (N,) or (N, 1) whole numbers from 0.
        where: Which labels, for the message.
        classes: Number of classes; None when not known yet.

    Raises:
        BadDataError: They are empty, not whole numbers, or out of range.

    Example:
        >>> checked_labels([0, 2, 1], where="y", classes=3).tolist()
        [0, 2, 1]
    """
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.size == 0:
        raise BadDataError(f"labels have the shape {array.shape}", where=where, fix="give one whole number an image")
    if array.dtype.kind not in "iu":
        raise BadDataError(f"labels are {array.dtype}, not whole numbers", where=where, fix="give class numbers from 0")
    low, high = int(array.min()), int(array.max())
    if low < 0 or (classes is not None and high >= classes):
        wrong = low if low < 0 else high
        last = "" if classes is None else f" to {classes - 1}"
        raise BadDataError(f"label {wrong} is out of range", where=where, fix=f"give class numbers from 0{last}")
    return array.astype(np.int64)


def checked_images(images: npt.ArrayLike, *, where: str) -> Images:
    """Return images as (N, H, W, C) uint8.

    Args:
        images: (N, H, W, C), (N, C, H, W) or grey (N, H, W), uint8.
        where: Which images, for the message.

    Raises:
        BadDataError: They are empty, of mixed sizes, or not 8-bit pixels.

    Example:
        >>> checked_images(np.zeros((2, 3, 8, 8), np.uint8), where="x").shape
        (2, 8, 8, 3)
    """
    array = _stacked(images, where) if _is_list(images) else np.asarray(images)
    if array.size == 0:
        raise BadDataError("there are no images", where=where, fix="give at least a few of each class")
    if array.dtype != np.uint8:
        raise BadDataError(f"pixels are {array.dtype}, not uint8", where=where, fix="give 0 to 255 as uint8")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim == 4 and array.shape[3] not in CHANNEL_COUNTS and array.shape[1] in CHANNEL_COUNTS:
        array = array.transpose(0, 2, 3, 1)
    if array.ndim != 4 or array.shape[3] not in CHANNEL_COUNTS:
        shape = "x".join(map(str, array.shape))
        raise BadDataError(f"images are {shape}", where=where, fix="give N x H x W x C or N x C x H x W, C 1, 3 or 4")
    return np.ascontiguousarray(array)


def _is_list(images: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(images, Sequence) or (isinstance(images, np.ndarray) and images.dtype.kind == "O")


def _stacked(images: Sequence[Any], where: str) -> npt.NDArray[Any]:
    single = [np.asarray(one) for one in images]
    shapes = sorted({one.shape for one in single})
    if len(shapes) > 1:
        first, second = ("x".join(map(str, shape)) for shape in shapes[:2])
        raise BadDataError(
            f"images are of mixed sizes: {first} and {second}", where=where, fix="resize them to one size"
        )
    return np.stack(single) if single else np.empty(0)


def require_same_length(images: int, labels: int, *, where: str) -> None:
    """Refuse images and labels of different counts.

    Raises:
        BadDataError: The counts differ.
    """
    if images != labels:
        raise BadDataError(f"{images} images but {labels} labels", where=where, fix="give one label an image")


def require_classes(labels: Labels, *, where: str) -> None:
    """Refuse data of one class only.

    Raises:
        BadDataError: All labels are equal.
    """
    if len(np.unique(labels)) < 2:
        raise BadDataError("all images are of one class", where=where, fix="give at least two classes")
