import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from lissome.core.errors import SettingError
from lissome.data.augment_crop_flip import CropFlip


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(
    count=st.integers(1, 5),
    channels=st.integers(1, 4),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    padding=st.integers(0, 4),
    flip=st.booleans(),
)
@settings(max_examples=50, deadline=None)
def test_each_image_is_some_crop_of_itself(
    count: int, channels: int, height: int, width: int, padding: int, flip: bool
) -> None:
    images, labels = torch.rand(count, channels, height, width, generator=generator()), torch.arange(count)
    changed, same = CropFlip(padding=padding, flip=flip)(images, labels, generator(1))
    assert changed.shape == images.shape and torch.equal(same, labels)
    padded = functional.pad(images, (padding,) * 4)
    for one, source in zip(changed, padded, strict=True):
        crops = [
            source[:, row : row + height, column : column + width]
            for row in range(2 * padding + 1)
            for column in range(2 * padding + 1)
        ]
        crops += [crop.flip(2) for crop in crops] if flip else []
        assert any(torch.equal(one, crop) for crop in crops)


def test_half_are_mirrored_and_all_offsets_occur() -> None:
    images = torch.arange(1.0, 5.0).expand(4_000, 1, 1, 4)
    changed, _ = CropFlip(padding=0)(images, torch.zeros(4_000), generator())
    mirrored = (changed[:, 0, 0, 0] == 4).float().mean().item()
    assert 0.45 < mirrored < 0.55
    shifted, _ = CropFlip(padding=1, flip=False)(images, torch.zeros(4_000), generator())
    # 12-3-4 moved left, in place, moved right; and the row itself moved out of sight above or below.
    rows = {tuple(one.tolist()) for one in shifted[:, 0, 0]}
    assert rows == {(2.0, 3.0, 4.0, 0.0), (1.0, 2.0, 3.0, 4.0), (0.0, 1.0, 2.0, 3.0), (0.0,) * 4}


def test_the_generator_decides() -> None:
    images, labels = torch.rand(8, 3, 8, 8), torch.zeros(8)
    first, again, other = (CropFlip()(images, labels, generator(seed))[0] for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_negative_padding_is_refused() -> None:
    with pytest.raises(SettingError, match="padding is -1"):
        CropFlip(padding=-1)


def test_boxes_are_refused_rather_than_left_behind() -> None:
    with pytest.raises(SettingError, match="leaves boxes where they are"):
        CropFlip()(torch.rand(2, 3, 8, 8), torch.zeros(2, 1, 5), generator())
