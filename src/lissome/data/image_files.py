"""Images in files, decoded when they are needed."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image, ImageOps

from lissome.core.errors import BadDataError
from lissome.core.preprocessing import Preprocessing
from lissome.data.split import Images, Indices, Labels, PixelSplit

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
# Decoding is what reading costs; what fits in this is decoded once and kept.
KEPT_AT_MOST_MIB = 512


def fit(image: Image.Image, *, channels: int, height: int, width: int) -> Images:
    """Turn a decoded picture into an array of the wanted size.

    The picture is turned upright by its EXIF tag, brought to grey or RGB (transparent parts become white), scaled until
    it covers the size, and cropped at its centre.

    Returns:
        (height, width, channels) uint8.

    Example:
        >>> fit(Image.new("L", (40, 30)), channels=3, height=8, width=8).shape
        (8, 8, 3)
    """
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):  # 16-bit grey; Pillow would clip it at 255
        upright = Image.fromarray((np.asarray(upright) >> 8).clip(0, 255).astype(np.uint8))
    if channels != 4 and (upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info):
        upright = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
    pixels = upright.convert(MODES[channels])
    if pixels.size != (width, height):
        pixels = ImageOps.fit(pixels, (width, height), Image.Resampling.BILINEAR)
    return np.asarray(pixels, np.uint8).reshape(height, width, channels)


def fit_all(images: Images, *, channels: int, height: int, width: int) -> Images:
    """Bring images in memory to another size or channel count.

    Shape:
        images: (N, H, W, C) uint8. Returns (N, height, width, channels) uint8.

    Example:
        >>> fit_all(np.zeros((2, 8, 8, 1), np.uint8), channels=3, height=4, width=4).shape
        (2, 4, 4, 3)
    """
    if images.shape[1:] == (height, width, channels):
        return images
    pictures = (Image.fromarray(one[..., 0] if one.shape[2] == 1 else one) for one in images)
    return np.stack([fit(picture, channels=channels, height=height, width=width) for picture in pictures])


def is_image_file(path: str | os.PathLike[str]) -> bool:
    """Tell by its suffix whether a file is meant to be an image.

    Example:
        >>> is_image_file("cat.JPG"), is_image_file("notes.txt")
        (True, False)
    """
    return Path(path).suffix.lower() in SUFFIXES


def require_image(path: Path) -> None:
    """Refuse a file whose header is no image's; the pixels are not decoded.

    Raises:
        BadDataError: Names the file.
    """
    try:
        with Image.open(path):
            pass
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error


class FileSplit(PixelSplit):
    """Images in files of any size and mode, brought to the input size by `fit`.

    Args:
        paths: One file an image of the source.
        labels: (N,) int64.
        preprocessing: Turns pixels into the network's input; says the size.
        indices: Which images this split holds; None takes all.
    """

    def __init__(
        self, paths: Sequence[Path], labels: Labels, preprocessing: Preprocessing, indices: Indices | None = None
    ) -> None:
        super().__init__(labels, preprocessing, indices)
        self._paths = paths
        channels, height, width = preprocessing.shape
        fits_in_memory = len(self) * channels * height * width <= KEPT_AT_MOST_MIB * 2**20
        self._kept: dict[int, Images] | None = {} if fits_in_memory else None

    def _subset(self, indices: Indices) -> Self:
        return type(self)(self._paths, self._all_labels, self.preprocessing, indices)

    def _pixels(self, indices: Indices) -> Images:
        return np.stack([self._one(int(index)) for index in indices])

    def _one(self, index: int) -> Images:
        if self._kept is not None and index in self._kept:
            return self._kept[index]
        path = self._paths[index]
        channels, height, width = self.preprocessing.shape
        try:
            with Image.open(path) as image:
                pixels = fit(image, channels=channels, height=height, width=width)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise _unreadable(path, error) from error
        if self._kept is not None:
            self._kept[index] = pixels
        return pixels


def _unreadable(path: Path, error: Exception) -> BadDataError:
    return BadDataError(f"is no readable image: {error}", where=str(path), fix="remove or replace the file")
