import numpy as np
import pytest

from lissome.core.errors import BadDataError
from lissome.data.checks import checked_images, checked_labels, require_classes, require_same_length


@pytest.mark.parametrize("shape", [(2, 8, 6, 3), (2, 3, 8, 6)])
def test_both_layouts_become_rows_columns_channels(shape: tuple[int, ...]) -> None:
    pixels = np.arange(2 * 8 * 6 * 3, dtype=np.uint16).astype(np.uint8).reshape(shape)
    images = checked_images(pixels, where="x")
    assert images.shape == (2, 8, 6, 3)
    expected = pixels if shape[3] == 3 else pixels.transpose(0, 2, 3, 1)
    assert np.array_equal(images, expected)


def test_grey_images_get_a_channel_and_lists_are_stacked() -> None:
    assert checked_images([np.zeros((5, 4), np.uint8)] * 3, where="x").shape == (3, 5, 4, 1)


MIXED = np.empty(2, object)
MIXED[:] = [np.zeros((4, 4, 3), np.uint8), np.zeros((5, 4, 3), np.uint8)]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((0, 8, 8, 3), np.uint8), "no images"),
        ([], "no images"),
        (np.zeros((2, 8, 8, 3), np.float32), "float32, not uint8"),
        (np.zeros((2, 8, 8, 5), np.uint8), "images are 2x8x8x5"),
        (np.zeros((2, 8), np.uint8), "images are 2x8"),
        (MIXED, "mixed sizes: 4x4x3 and 5x4x3"),
        (list(MIXED), "mixed sizes: 4x4x3 and 5x4x3"),
    ],
)
def test_bad_images_are_refused(images: object, message: str) -> None:
    with pytest.raises(BadDataError, match=message) as caught:
        checked_images(images, where="here")
    assert caught.value.where == "here" and caught.value.fix


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "shape"),
        ([[0, 1], [1, 0]], "shape"),
        ([0.0, 1.0], "float64, not whole"),
        (["cat", "dog"], "not whole"),
        ([0, -1], "label -1 is out of range"),
        ([0, 3], "label 3 is out of range.*0 to 2"),
    ],
)
def test_bad_labels_are_refused(labels: list[object], message: str) -> None:
    with pytest.raises(BadDataError, match=message):
        checked_labels(labels, where="here", classes=3)


def test_a_column_of_labels_is_taken() -> None:
    assert checked_labels(np.array([[1], [0]], np.uint8), where="y").tolist() == [1, 0]


def test_counts_and_classes() -> None:
    require_same_length(3, 3, where="x")
    with pytest.raises(BadDataError, match="3 images but 2 labels"):
        require_same_length(3, 2, where="x")
    require_classes(np.array([0, 1]), where="x")
    with pytest.raises(BadDataError, match="one class"):
        require_classes(np.array([1, 1]), where="x")
