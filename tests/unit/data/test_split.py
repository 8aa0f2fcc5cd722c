import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lissome.core.errors import SettingError
from lissome.core.preprocessing import Preprocessing
from lissome.data.split import ArraySplit

PREPROCESSING = Preprocessing(channels=3, height=4, width=6, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.7))


def make_split(count: int = 10) -> ArraySplit:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 4, 6, 3), np.uint8)
    return ArraySplit(pixels, np.arange(count), PREPROCESSING)


def test_images_are_preprocessed_to_the_same_bits_as_in_the_artifact() -> None:
    split = make_split()
    images, labels = next(split.batches(10))
    assert np.array_equal(images.numpy(), PREPROCESSING.apply(split.raw()))
    assert images.is_contiguous()
    assert labels.tolist() == list(range(10)) and labels.dtype == torch.int64


@given(
    count=st.integers(1, 30),
    batch_size=st.integers(1, 9),
    limit=st.none() | st.integers(1, 40),
    shuffled=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_batches_hold_each_image_once_up_to_the_limit(
    count: int, batch_size: int, limit: int | None, shuffled: bool
) -> None:
    generator = torch.Generator().manual_seed(0) if shuffled else None
    batches = list(make_split(count).batches(batch_size, generator=generator, limit=limit))
    labels = torch.cat([labels for _, labels in batches]).tolist()
    expected = min(count, limit or count)
    assert len(labels) == len(set(labels)) == expected
    assert all(images.shape == (len(numbers), 3, 4, 6) for images, numbers in batches)
    assert all(len(numbers) == batch_size for _, numbers in batches[:-1])
    if not shuffled:
        assert labels == list(range(expected))


def test_raw_labels_and_batches_share_one_order_also_in_subsets() -> None:
    split = make_split().subset(np.array([7, 2, 5])).subset(np.array([2, 0]))
    images, labels = next(split.batches(2))
    assert split.labels().tolist() == labels.tolist() == [5, 7]
    assert np.array_equal(images.numpy(), PREPROCESSING.apply(split.raw()))
    assert np.array_equal(split.raw(1), split.raw()[:1])


def test_the_same_generator_gives_the_same_order_and_each_epoch_another() -> None:
    generator = torch.Generator().manual_seed(3)
    first, second = (next(make_split().batches(10, generator=generator))[1].tolist() for _ in range(2))
    again = next(make_split().batches(10, generator=torch.Generator().manual_seed(3)))[1].tolist()
    assert first == again != second


def test_a_transform_gets_the_generator_and_changes_the_batch() -> None:
    generator = torch.Generator()

    def negate(images: torch.Tensor, labels: torch.Tensor, given: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        assert given is generator
        return -images, labels + 100

    split = make_split(1)
    images, labels = next(split.batches(1, generator=generator, transform=negate))
    assert torch.equal(images, -next(split.batches(1))[0]) and labels.tolist() == [100]
    with pytest.raises(SettingError, match="needs a generator"):
        next(split.batches(1, transform=negate))


@pytest.mark.parametrize(("batch_size", "limit"), [(0, None), (1, 0)])
def test_sizes_below_one_are_refused(batch_size: int, limit: int | None) -> None:
    with pytest.raises(SettingError, match="at least 1"):
        next(make_split().batches(batch_size, limit=limit))
