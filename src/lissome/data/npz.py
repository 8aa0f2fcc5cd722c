"""Images and labels in one NumPy .npz file."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lissome.core.errors import BadDataError
from lissome.core.preprocessing import Preprocessing
from lissome.data.arrays import array_parts
from lissome.data.parts import Parts

FOUR_KEYS = ("x_train", "y_train", "x_test", "y_test")
TWO_KEYS = ("images", "labels")


def npz_parts(path: Path, preprocessing: Preprocessing | None) -> Parts:
    """Read the arrays x_train, y_train, x_test and y_test, or images and labels.

    Args:
        path: The file.
        preprocessing: Its size is what the images are brought to; None keeps theirs.

    Raises:
        BadDataError: The file is absent, damaged, holds Python objects (as arrays of images of mixed sizes do), has
            other keys, or what `array_parts` refuses.
    """
    arrays = read_npz(path)
    if all(key in arrays for key in FOUR_KEYS):
        x_train, y_train, x_test, y_test = (arrays[key] for key in FOUR_KEYS)
        return array_parts((x_train, y_train), (x_test, y_test), preprocessing=preprocessing, where=str(path))
    if all(key in arrays for key in TWO_KEYS):
        images, labels = (arrays[key] for key in TWO_KEYS)
        return array_parts((images, labels), None, preprocessing=preprocessing, where=str(path))
    raise BadDataError(
        f"holds {', '.join(sorted(arrays)) or 'nothing'}",
        where=str(path),
        fix=f"name the arrays {', '.join(FOUR_KEYS)}, or {' and '.join(TWO_KEYS)}",
    )


def read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read all arrays of an .npz file; nothing pickled is ever loaded.

    Raises:
        BadDataError: The file is absent or damaged, or holds Python objects.
    """
    try:
        # Opened here, since NumPy leaves a file open that it cannot read.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as table:
            return {key: table[key] for key in table}
    except OSError as error:
        raise BadDataError(
            f"cannot be read: {error.strerror or error}", where=str(path), fix="give an .npz file"
        ) from error
    except (ValueError, TypeError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        if "Object arrays" in str(error):
            raise BadDataError(
                "holds Python objects, as arrays of images of mixed sizes do",
                where=str(path),
                fix="resize the images to one size and save them as one uint8 array",
            ) from error
        # NumPy takes any other file for a pickle and says so, which helps nobody.
        raise BadDataError(
            "is no .npz file, or is damaged", where=str(path), fix="write it with numpy.savez"
        ) from error
