"""Images and labels in memory, checked and made into splits."""

import numpy.typing as npt

from lissome.core.errors import BadDataError
from lissome.core.preprocessing import Preprocessing
from lissome.data.checks import checked_images, checked_labels, require_same_length
from lissome.data.image_files import fit_all
from lissome.data.parts import Parts, chosen_preprocessing
from lissome.data.split import ArraySplit, Images, Labels

ImagesAndLabels = tuple[npt.ArrayLike, npt.ArrayLike]


def array_parts(
    train: ImagesAndLabels,
    test: ImagesAndLabels | None,
    *,
    class_names: tuple[str, ...] = (),
    preprocessing: Preprocessing | None = None,
    where: str,
) -> Parts:
    """Check images and labels and make splits of them.

    Args:
        train: Images as `checked_images` takes them, and class numbers.
        test: As train; None if there are none.
        class_names: One name a class; none means the numbers of the classes that occur.
        preprocessing: The images are brought to its size; None keeps theirs and takes what `chosen_preprocessing` says.
        where: What the arrays came from, for messages.

    Raises:
        BadDataError: Empty, of mixed sizes, of differing lengths, or labels that are no class numbers.
    """
    pairs = [_checked(train, f"{where}, train"), *([] if test is None else [_checked(test, f"{where}, test")])]
    names = class_names or tuple(map(str, range(max(int(labels.max()) for _, labels in pairs) + 1)))
    height, width, channels = pairs[0][0].shape[1:]
    prepared = preprocessing or chosen_preprocessing((channels, height, width), None, where=where)
    if prepared is None:
        raise BadDataError("the input size is not known", where=where)
    splits: list[ArraySplit] = []
    for images, labels in pairs:
        checked_labels(labels, where=where, classes=len(names))
        if preprocessing is None and images.shape[1:] != (height, width, channels):
            raise BadDataError(
                f"training images are {height}x{width}x{channels}, test images {'x'.join(map(str, images.shape[1:]))}",
                where=where,
                fix="bring all images to one size",
            )
        channels, height, width = prepared.shape
        splits.append(ArraySplit(fit_all(images, channels=channels, height=height, width=width), labels, prepared))
    return Parts(
        train=splits[0],
        test=splits[1] if test is not None else None,
        class_names=names,
        preprocessing=prepared,
    )


def _checked(pair: ImagesAndLabels, where: str) -> tuple[Images, Labels]:
    images, labels = checked_images(pair[0], where=where), checked_labels(pair[1], where=where)
    require_same_length(len(images), len(labels), where=where)
    return images, labels
