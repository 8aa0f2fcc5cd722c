"""What a source of data gives, before anything is held out of it."""

from dataclasses import dataclass, replace

from lissome.core.errors import SettingError
from lissome.core.preprocessing import Preprocessing
from lissome.data.checks import CHANNEL_COUNTS, require_classes
from lissome.data.hold_out import hold_out, stratified_order
from lissome.data.split import Split

TEST_SHARE = 0.2
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The splits of a source; those it lacks are None.

    Args:
        train: Images to learn from; what is absent is held out of them.
        validation: Images for choices.
        test: Images for the final figure.
        class_names: One name a class.
        preprocessing: What happens to a picture before the network sees it.
        remarks: What was decided about the data that the user should be told.
    """

    train: Split
    validation: Split | None = None
    test: Split | None = None
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteParts(Parts):
    """Parts of which none is absent."""

    validation: Split
    test: Split


def completed(parts: Parts, *, seed: int, where: str) -> CompleteParts:
    """Hold out of the training images what is absent, and put every split in `stratified_order`.

    A fifth of each class becomes the test data if there are none, and a remark says so; then a tenth of the rest, 5,000
    images at most, becomes the validation data if there are none. Nothing is ever taken from test data.

    Raises:
        BadDataError: The training images are of one class, or too few.
    """
    train, validation, test, remarks = parts.train, parts.validation, parts.test, parts.remarks
    require_classes(train.labels(), where=where)
    if test is None:
        kept, tested = hold_out(train.labels(), seed=seed, share=TEST_SHARE, at_most=None, where=where)
        train, test = train.subset(kept), train.subset(tested)
        remarks += (f"{where} has no test data: {len(test):,} of its images became them (seed {seed})",)
    if validation is None:
        kept, held_out = hold_out(train.labels(), seed=seed, where=where)
        train, validation = train.subset(kept), train.subset(held_out)
    train, validation, test = (one.subset(stratified_order(one.labels())) for one in (train, validation, test))
    return CompleteParts(
        train=train,
        validation=validation,
        test=test,
        class_names=parts.class_names,
        preprocessing=parts.preprocessing,
        remarks=remarks,
    )


def chosen_preprocessing(
    input: tuple[int, int, int] | None, preprocessing: Preprocessing | None, *, where: str
) -> Preprocessing | None:
    """Return the pre-processing asked for: given whole, or by the size of the input only.

    By size only, pixels are divided by 255, and then have ImageNet's mean and deviation if they are RGB, else 0.5 and
    0.5.

    Raises:
        SettingError: Both are given, or pictures cannot have so many channels.

    Example:
        >>> chosen_preprocessing((1, 8, 8), None, where="photos").mean
        (0.5,)
    """
    if input is not None and preprocessing is not None:
        raise SettingError("input and preprocessing exclude each other", where=where, fix="give one of them")
    shape = preprocessing.shape if preprocessing else input
    if shape is not None and shape[0] not in CHANNEL_COUNTS:
        raise SettingError(f"the input has {shape[0]} channels", where=where, fix="give 1 (grey), 3 (RGB) or 4 (RGBA)")
    if input is None:
        return preprocessing
    channels, height, width = input
    plain = Preprocessing(channels=channels, height=height, width=width)
    if channels == 3:
        return replace(plain, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    return replace(plain, mean=(0.5,) * channels, std=(0.5,) * channels)
