"""The real images and trained weights that ship with the package."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from lissome.core.errors import BadDataError
from lissome.data.cifar10 import CLASS_NAMES, PREPROCESSING
from lissome.data.image_codec import unpack_images
from lissome.data.npz import read_npz
from lissome.data.split import Images, Labels
from lissome.data.task import Task

FOLDER = Path(__file__).parent / "sample"
TRAIN_IMAGES, TEST_IMAGES = 4_000, 2_000
# Of the decoded pixels, (N, 32, 32, 3) uint8, so that every platform is known to see the same images.
SHA256 = {
    "train": "1732427aba548fb93047cde7ffb29bb8588d4440420ce1a4547b6c0ed36de98e",
    "test": "7ad66cbcabac79468a4cd5b70118421a04556875845f05c4f4b0bd099713dc22",
}


@dataclass(frozen=True)
class Sample:
    """A balanced sample of CIFAR-10 and a ResNet-20 trained on the whole of it; SOURCE.md beside them says whence.

    Args:
        folder: Where the files are.
        seed: Decides which training images are held out for validation.

    Example:
        >>> task = sample().task
        >>> len(task.train), len(task.validation), len(task.test)
        (3600, 400, 2000)
    """

    folder: Path = FOLDER
    seed: int = 0

    @property
    def weights_path(self) -> Path:
        """The weights of the catalog's `resnet20`, safetensors; 91.73 % on the 10,000 test images of CIFAR-10."""
        return self.folder / "resnet20.safetensors"

    @cached_property
    def task(self) -> Task:
        """4,000 training images, of which 400 are held out for validation, and 2,000 test images.

        Raises:
            BadDataError: A file is damaged.
        """
        train_images, train_labels = read_part(self.folder, "train")
        test_images, test_labels = read_part(self.folder, "test")
        return Task.from_arrays(
            train_images,
            train_labels,
            test_images,
            test_labels,
            class_names=CLASS_NAMES,
            preprocessing=PREPROCESSING,
            seed=self.seed,
        )


def sample(*, seed: int = 0) -> Sample:
    """Return the embedded sample.

    Args:
        seed: Decides which training images are held out for validation.
    """
    return Sample(seed=seed)


def read_part(folder: Path, part: str) -> tuple[Images, Labels]:
    """Read the images and labels of "train" or "test".

    Raises:
        BadDataError: A file is absent, or its content is not what was packed.
    """
    path = folder / f"{part}.xz"
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise BadDataError(f"cannot be read: {error.strerror}", where=str(path), fix="install lissome again") from error
    labels = read_npz(folder / "labels.npz")[part].astype(np.int64)
    images = unpack_images(packed, height=32, width=32, where=str(path))
    if hashlib.sha256(images.tobytes()).hexdigest() != SHA256[part]:
        raise BadDataError("holds other images than were packed", where=str(path), fix="install lissome again")
    return images, labels
