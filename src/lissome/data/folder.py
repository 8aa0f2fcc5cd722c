"""A folder of images with one sub-folder a class."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lissome.core.errors import BadDataError
from lissome.core.preprocessing import Preprocessing
from lissome.data.image_files import FileSplit, is_image_file, require_image
from lissome.data.parts import Parts
from lissome.data.split import Labels

TRAIN, TEST, VALIDATION = ("train", "training"), ("test", "testing"), ("val", "valid", "validation")


@dataclass(frozen=True, slots=True)
class LabelledFiles:
    """Image files and their classes: paths and labels are of one length."""

    paths: tuple[Path, ...]
    labels: Labels
    class_names: tuple[str, ...]

    def split(self, preprocessing: Preprocessing) -> FileSplit:
        """Return them as a split."""
        return FileSplit(self.paths, self.labels, preprocessing)


def folder_parts(path: Path, preprocessing: Preprocessing) -> Parts:
    """List the images of a folder without decoding them.

    Args:
        path: Holds train/, test/ and perhaps val/, each with a folder a class; or only the folders of the classes.
            Where there is a train/ and a val/ but no test/, val/ is the test data, as in ImageNet.
        preprocessing: What happens to a picture; says the input size.

    Raises:
        BadDataError: The folder is absent or empty, a class has no image, the parts have different classes, or a file
            is no image.
    """
    folders = {folder.name.lower(): folder for folder in _folders(path)}
    train_folder = _first(folders, TRAIN)
    train = read_classes(train_folder or path)
    validation_folder, test_folder = None, None
    remarks: tuple[str, ...] = ()
    if train_folder is not None:
        validation_folder, test_folder = _first(folders, VALIDATION), _first(folders, TEST)
    if test_folder is None and validation_folder is not None:
        validation_folder, test_folder = None, validation_folder
        remarks = (f"{path} has no test folder: its validation folder is the test data",)
    validation, test = (
        read_classes(folder, train.class_names).split(preprocessing) if folder else None
        for folder in (validation_folder, test_folder)
    )
    return Parts(
        train=train.split(preprocessing),
        validation=validation,
        test=test,
        class_names=train.class_names,
        preprocessing=preprocessing,
        remarks=remarks,
    )


def read_classes(path: Path, class_names: tuple[str, ...] | None = None) -> LabelledFiles:
    """List the images of one part; the classes are its sub-folders in alphabetical order.

    Args:
        path: Holds a folder a class.
        class_names: The classes there must be; None takes the sub-folders' names.

    Raises:
        BadDataError: As `folder_parts`.
    """
    folders = {folder.name: folder for folder in _folders(path)}
    if not folders:
        raise BadDataError("has no class folders", where=str(path), fix="make one folder of images for each class")
    names = class_names or tuple(folders)
    strangers = sorted(set(folders) ^ set(names))
    if strangers:
        raise BadDataError(
            f"class {strangers[0]!r} is not in all parts", where=str(path), fix="give train and test the same classes"
        )
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        found = sorted(file for file in folders[name].rglob("*") if file.is_file() and is_image_file(file))
        if not found:
            raise BadDataError("holds no images", where=str(folders[name]), fix="add images, or remove the folder")
        for file in found:
            require_image(file)
        paths += found
        labels += [label] * len(found)
    return LabelledFiles(tuple(paths), np.asarray(labels, np.int64), names)


def _folders(path: Path) -> list[Path]:
    try:
        found = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise BadDataError(
            f"cannot be read: {error.strerror}", where=str(path), fix="give a folder of images"
        ) from error
    if not found:
        raise BadDataError(
            "is empty" if not any(path.iterdir()) else "has no sub-folders",
            where=str(path),
            fix="make train/ and test/ with one folder of images for each class",
        )
    return found


def _first(parts: dict[str, Path], names: tuple[str, ...]) -> Path | None:
    return next((parts[name] for name in names if name in parts), None)
