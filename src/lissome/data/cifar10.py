"""CIFAR-10 from a folder: packed planes (`image_codec`), or the official binary version."""

import os
from pathlib import Path

import numpy as np

from lissome.core.errors import BadDataError
from lissome.core.preprocessing import Preprocessing
from lissome.data.arrays import array_parts
from lissome.data.checks import require_same_length
from lissome.data.image_codec import unpack_images
from lissome.data.npz import read_npz
from lissome.data.parts import Parts
from lissome.data.split import Images, Labels

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PREPROCESSING = Preprocessing(channels=3, height=32, width=32, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
_OFFICIAL_RECORD = 1 + 3 * 32 * 32


def default_folder() -> Path:
    """Return where CIFAR-10 is looked for: `cifar10` in the folder LISSOME_DATA names, else in ../shared/data."""
    return Path(os.environ.get("LISSOME_DATA") or Path("..", "shared", "data")) / "cifar10"


def cifar10_parts(path: str | os.PathLike[str] | None = None) -> Parts:
    """Read all 50,000 training and 10,000 test images.

    Args:
        path: A folder with test.xz, train_0.xz … train_4.xz and labels.npz, or with the official data_batch_1.bin …
            data_batch_5.bin and test_batch.bin. None takes `default_folder`.

    Raises:
        BadDataError: A file is absent or damaged; names it.

    Source:
        Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".
    """
    folder = default_folder() if path is None else Path(path)
    if not folder.is_dir():
        raise BadDataError("no such folder", where=str(folder), fix="give the folder of CIFAR-10, or set LISSOME_DATA")
    official = (folder / "test_batch.bin").is_file()
    read, parts, test = (
        (_read_official, [f"data_batch_{number}" for number in range(1, 6)], "test_batch")
        if official
        else (_read_packed, [f"train_{number}" for number in range(5)], "test")
    )
    images, labels = zip(*(read(folder, part) for part in parts), strict=True)
    return array_parts(
        (np.concatenate(images), np.concatenate(labels)),
        read(folder, test),
        class_names=CLASS_NAMES,
        preprocessing=PREPROCESSING,
        where=str(folder),
    )


def _read_packed(folder: Path, part: str) -> tuple[Images, Labels]:
    images = unpack_images(_bytes(folder / f"{part}.xz"), height=32, width=32, where=str(folder / f"{part}.xz"))
    path = folder / "labels.npz"
    labels = read_npz(path).get(part, np.empty(0))
    require_same_length(len(images), len(labels), where=f"{path}, {part}")
    return images, labels.astype(np.int64)


def _read_official(folder: Path, part: str) -> tuple[Images, Labels]:
    path = folder / f"{part}.bin"
    flat = np.frombuffer(_bytes(path), np.uint8)
    if flat.size == 0 or flat.size % _OFFICIAL_RECORD:
        raise BadDataError(f"{flat.size} bytes are no whole number of images", where=str(path), fix="fetch it again")
    records = flat.reshape(-1, _OFFICIAL_RECORD)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, 0].astype(np.int64)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = str(error.strerror)
        raise BadDataError(f"cannot be read: {reason}", where=str(path), fix="fetch CIFAR-10 again") from error
