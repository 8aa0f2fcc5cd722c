"""What every augmentation promises. A new one is a line in EXAMPLES, and one in SILENT if it can do nothing."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from lissome.data import augmentations
from lissome.data.augmentations import (
    Brightness,
    Contrast,
    Crop,
    CropFlip,
    CutMix,
    Cutout,
    Flip,
    FourierMix,
    GridMask,
    HideAndSeek,
    Hue,
    MixUp,
    Mosaic,
    Noise,
    Policy,
    RandomErasing,
    Rotate,
    Saturation,
    Scale,
)
from lissome.tables import AUGMENTATIONS

EXAMPLES = {
    "Brightness": Brightness(strength=0.8),
    "Contrast": Contrast(strength=1.0, chance=0.7),
    "Crop": Crop(least_area=0.1, stretch=2.0),
    "CropFlip": CropFlip(padding=2),
    "CutMix": CutMix(chance=0.7),
    "Cutout": Cutout(side=0.4),
    "Flip": Flip(),
    "FourierMix": FourierMix(chance=0.8, band=0.3),
    "GridMask": GridMask(),
    "HideAndSeek": HideAndSeek(grid=3, hidden=0.5),
    "Hue": Hue(strength=1.0),
    "MixUp": MixUp(concentration=0.4, chance=0.6),
    "Mosaic": Mosaic(chance=0.8, smallest=0.2),
    "Noise": Noise(strength=0.5),
    "Policy": Policy(augmentations=(Flip(), Brightness(), MixUp())),
    "RandomErasing": RandomErasing(chance=0.9),
    "Rotate": Rotate(degrees=180, chance=0.5),
    "Saturation": Saturation(strength=1.0),
    "Scale": Scale(strength=2.0),
}
SILENT = {
    "Brightness": Brightness(strength=0),
    "Contrast": Contrast(strength=0),
    "Crop": Crop(least_area=1, stretch=1),
    "CropFlip": CropFlip(padding=0, flip=False),
    "CutMix": CutMix(concentration=0),
    "Cutout": Cutout(side=0),
    "Flip": Flip(chance=0),
    "FourierMix": FourierMix(chance=1, strength=0),
    "GridMask": GridMask(chance=1, hidden=0),
    "HideAndSeek": HideAndSeek(hidden=0),
    "Hue": Hue(strength=0),
    "MixUp": MixUp(concentration=0),
    "Mosaic": Mosaic(chance=0),
    "Noise": Noise(strength=0),
    "Policy": Policy(augmentations=(Cutout(side=0), MixUp(chance=0))),
    "RandomErasing": RandomErasing(chance=1, largest=0),
    "Rotate": Rotate(degrees=0),
    "Saturation": Saturation(strength=0),
    "Scale": Scale(strength=0),
}
IMAGE_ONLY = ("CropFlip",)
"""Those that know nothing of boxes."""

FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WITH_OBJECTS = [name for name in EXAMPLES if name not in IMAGE_ONLY]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(seed, count, height, width):
    return torch.rand(count, 3, height, width, generator=generator(seed))


def objects(seed, count, height, width, most=3):
    source = generator(seed)
    first, second = torch.rand(2, count, most, 2, generator=source) * torch.tensor([width, height])
    kinds = torch.randint(-1, 4, (count, most, 1), generator=source).float()
    rows = torch.cat([kinds, torch.minimum(first, second), torch.maximum(first, second) + 0.01], -1)
    rows[..., 1:].clamp_(max=float(max(height, width)))
    rows[..., 3].clamp_(max=width)
    rows[..., 4].clamp_(max=height)
    return torch.where(kinds >= 0, rows, torch.full_like(rows, -1))


SIZES = {
    "seed": st.integers(0, 10**6),
    "count": st.integers(1, 5),
    "height": st.integers(4, 13),
    "width": st.integers(4, 13),
}


def test_all_are_here():
    assert sorted(EXAMPLES) == sorted(SILENT) == sorted(AUGMENTATIONS)
    assert sorted(augmentations.__all__) == sorted([*AUGMENTATIONS, "Augmentation"])


@pytest.mark.parametrize("name", EXAMPLES)
@FEW
@given(**SIZES)
def test_shapes_stay_and_shares_sum_to_one(name, seed, count, height, width):
    images = batch(seed, count, height, width)
    shares = functional.one_hot(torch.arange(count) % 4, 4).float()
    kept = images.clone(), shares.clone()
    changed, labels = EXAMPLES[name](images, shares, generator(seed))
    assert changed.shape == images.shape and torch.isfinite(changed).all()
    assert labels.shape == (count, 4)
    assert (labels >= 0).all()
    assert torch.allclose(labels.sum(1), torch.ones(count), atol=1e-5)
    assert torch.equal(images, kept[0]) and torch.equal(shares, kept[1])


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_seed_decides(name):
    images, shares = batch(1, 8, 16, 16), torch.eye(8)
    first, again, other = (EXAMPLES[name](images, shares, generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_global_generator_is_left_alone(name):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    EXAMPLES[name](batch(1, 4, 8, 8), torch.eye(4), generator())
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("name", SILENT)
@FEW
@given(**SIZES)
def test_without_strength_nothing_changes(name, seed, count, height, width):
    images = batch(seed, count, height, width)
    labels = objects(seed, count, height, width) if name not in IMAGE_ONLY else torch.eye(count)
    changed, same = SILENT[name](images, labels, generator(seed))
    assert torch.allclose(changed, images, atol=1e-4)
    assert found(same) == pytest.approx(found(labels), abs=1e-3)


def found(labels):
    """Return the numbers of all objects, image by image; shares as they are."""
    if labels.ndim == 2:
        return labels.flatten().tolist()
    return [one for image in labels for row in image if row[0] >= 0 for one in row.tolist()]


@pytest.mark.parametrize("name", WITH_OBJECTS)
@FEW
@given(**SIZES)
def test_boxes_stay_inside_and_classes_are_known(name, seed, count, height, width):
    labels = objects(seed, count, height, width)
    _, changed = EXAMPLES[name](batch(seed, count, height, width), labels, generator(seed))
    rows = changed[changed[..., 0] >= 0]
    assert changed.shape[0] == count and changed.shape[2] == 5
    assert set(rows[:, 0].tolist()) <= set(labels[..., 0].flatten().tolist())
    assert (rows[:, 1:] >= -1e-3).all()
    assert (rows[:, [1, 3]] <= width + 1e-3).all() and (rows[:, [2, 4]] <= height + 1e-3).all()
    assert (rows[:, 3:] > rows[:, 1:3]).all()
    assert (changed[changed[..., 0] < 0] == -1).all()


def marked(seed, count, side):
    """Images that are 0 but for one bright rectangle each, and its box."""
    source = generator(seed)
    low = torch.randint(2, side // 2 - 2, (count, 2), generator=source)
    size = torch.randint(6, side // 2, (count, 2), generator=source)
    images, labels = torch.zeros(count, 3, side, side), torch.zeros(count, 1, 5)
    for number, ((x, y), (width, height)) in enumerate(zip(low.tolist(), size.tolist(), strict=True)):
        images[number, :, y : y + height, x : x + width] = 1
        labels[number, 0, 1:] = torch.tensor([x, y, x + width, y + height])
    return images, labels


@pytest.mark.parametrize(
    "augmentation",
    [Flip(chance=1), Scale(strength=0.5, least_visible=0), Crop(least_area=0.5, least_visible=0), Rotate(degrees=90)],
)
@pytest.mark.parametrize("seed", range(3))
def test_boxes_move_with_their_pixels(augmentation, seed):
    images, labels = marked(seed, 6, 32)
    changed, moved = augmentation(images, labels, generator(seed))
    for picture, (_, *box) in zip(changed[:, 0], moved[:, 0].tolist(), strict=True):
        rows, columns = (picture > 0.5).nonzero(as_tuple=True)
        if len(rows):
            seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            # The border of a bilinear pixel is up to one pixel off; a turned corner up to two.
            assert [float(one) for one in seen] == pytest.approx(box, abs=2.2)


def test_what_is_pasted_brings_its_objects_and_what_is_hidden_goes():
    images, labels = marked(0, 8, 32)
    labels[:, 0, 0] = torch.arange(8)
    for mix in (CutMix(least_visible=0.5), Mosaic(chance=1, least_visible=0.5)):
        changed, found_boxes = mix(images, labels, generator(3))
        for picture, rows in zip(changed[:, 0], found_boxes, strict=True):
            for _, *box in rows[rows[:, 0] >= 0].tolist():
                x1, y1, x2, y2 = (round(one) for one in box)
                inside = picture[y1:y2, x1:x2]
                assert inside.numel() and inside.mean() > 0.35


def test_mixed_up_pictures_have_the_objects_of_both():
    images, labels = marked(0, 6, 32)
    labels[:, 0, 0] = torch.arange(6)
    changed, both = MixUp()(images, labels, generator(2))
    counts = (both[..., 0] >= 0).sum(1)
    assert counts.tolist() == [2] * 6
    assert (changed.amax((1, 2, 3)) <= 1).all()
