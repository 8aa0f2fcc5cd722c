"""Pictures in files with their boxes beside them, as YOLO's tools keep them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from lissome.core.errors import BadDataError
from lissome.core.preprocessing import Preprocessing
from lissome.data.image_files import SUFFIXES
from lissome.data.split import Images, Indices, PixelSplit

Boxes = npt.NDArray[np.float32]


class BoxFileSplit(PixelSplit):
    """Pictures of any size, stretched to the network's input, with their objects.

    The labels of a batch are (N, most, 5): class, x1, y1, x2, y2 in pixels of the input; class -1 fills up.

    Args:
        paths: The pictures.
        boxes: For each (K, 5): class, x1, y1, x2, y2 as shares of width and height.
        preprocessing: Turns pixels into the network's input; says the size.
        indices: Which pictures this split holds; None takes all.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        boxes: Sequence[Boxes],
        preprocessing: Preprocessing,
        indices: Indices | None = None,
    ) -> None:
        most = max((len(one) for one in boxes), default=0)
        labels = np.full((len(paths), max(1, most), 5), -1, np.float32)
        width, height = preprocessing.width, preprocessing.height
        for row, one in zip(labels, boxes, strict=True):
            row[: len(one)] = one * np.array([1, width, height, width, height], np.float32)
        super().__init__(labels, preprocessing, indices)  # type: ignore[arg-type] # labels of another form
        self._paths, self._boxes = tuple(paths), tuple(boxes)
        self._kept: dict[int, Images] = {}

    def paths(self) -> tuple[Path, ...]:
        """Return the pictures, in the order of `batches` without a generator."""
        return tuple(self._paths[index] for index in self._indices)

    def sizes(self) -> list[tuple[int, int]]:
        """Return height and width of each picture as it is in its file."""
        sizes = []
        for path in self.paths():
            with Image.open(path) as image:
                columns, rows = ImageOps.exif_transpose(image).size
            sizes.append((rows, columns))
        return sizes

    def shares(self) -> list[Boxes]:
        """Return the objects of each picture, (K, 5): class, x1, y1, x2, y2 as shares of width and height."""
        return [self._boxes[index] for index in self._indices]

    def _subset(self, indices: Indices) -> Self:
        return type(self)(self._paths, self._boxes, self.preprocessing, indices)

    def _pixels(self, indices: Indices) -> Images:
        return np.stack([self._one(int(index)) for index in indices])

    def _one(self, index: int) -> Images:
        if index not in self._kept:
            self._kept[index] = read_stretched(self._paths[index], self.preprocessing)
        return self._kept[index]


def read_stretched(path: str | os.PathLike[str], preprocessing: Preprocessing) -> Images:
    """Read a picture and stretch it to a network's input, as detectors are trained.

    Shape:
        Returns (height, width, channels) uint8.

    Raises:
        BadDataError: The file is no readable image.
    """
    mode = {1: "L", 3: "RGB"}.get(preprocessing.channels, "RGBA")
    size = (preprocessing.width, preprocessing.height)
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert(mode)
            pixels = np.asarray(upright.resize(size, Image.Resampling.BILINEAR), np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadDataError(f"is no readable image: {error}", where=str(path), fix="remove or replace it") from error
    return pixels.reshape(preprocessing.height, preprocessing.width, preprocessing.channels)


def read_boxes(path: Path, classes: int) -> Boxes:
    """Read a label file: a line an object with class, centre x, centre y, width, height as shares of the picture.

    Args:
        path: A text file; one that does not exist is a picture without objects.
        classes: How many classes there are.

    Shape:
        Returns (K, 5): class, x1, y1, x2, y2, cut at the picture's border.

    Raises:
        BadDataError: A line that is no object; names it.
    """
    rows = []
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            kind, x, y, width, height = (float(word) for word in line.split())
        except ValueError as error:
            raise _bad_line(path, number, f"is {line!r}") from error
        fits = kind.is_integer() and 0 <= kind < classes
        if not fits or not (0 <= x <= 1 and 0 <= y <= 1 and 0 < width <= 1 and 0 < height <= 1):
            raise _bad_line(path, number, f"is {line!r}, beyond {classes} classes or the picture")
        rows.append((kind, x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    boxes = np.array(rows, np.float32).reshape(-1, 5)
    boxes[:, 1:] = boxes[:, 1:].clip(0, 1)
    return boxes


def _bad_line(path: Path, number: int, what: str) -> BadDataError:
    return BadDataError(
        f"line {number} {what}", where=str(path), fix="write class, centre x, centre y, width, height as shares"
    )


def box_file_split(
    images: str | os.PathLike[str], labels: str | os.PathLike[str], preprocessing: Preprocessing, classes: int
) -> BoxFileSplit:
    """Read a folder of pictures and the folder of their label files, of the same names with .txt.

    Raises:
        BadDataError: There is no picture, or a label file cannot be read.
    """
    paths = sorted(path for path in Path(images).glob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise BadDataError("there is no picture", where=str(images), fix="give a folder of images")
    boxes = [read_boxes(Path(labels, f"{path.stem}.txt"), classes) for path in paths]
    return BoxFileSplit(paths, boxes, preprocessing)
