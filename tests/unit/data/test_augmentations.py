"""Single augmentations against values that can be computed by hand."""

import pytest
import torch

from lissome.core.errors import SettingError
from lissome.core.preprocessing import Preprocessing
from lissome.data import augmentations as kinds
from lissome.data.augmentations.prepared import prepared

CIFAR = Preprocessing(channels=3, height=8, width=8, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_cut_mix_shares_are_the_areas_that_are_seen():
    images = torch.arange(8.0).reshape(8, 1, 1, 1).expand(8, 1, 16, 16)
    mixed, shares = kinds.CutMix()(images, torch.eye(8), generator())
    for picture, row in zip(mixed, shares, strict=True):
        areas = torch.stack([(picture == number).float().mean() for number in range(8)])
        assert torch.allclose(row, areas, atol=1e-6)


def test_mosaic_shares_are_the_areas_of_its_parts():
    images = torch.arange(1.0, 9.0).reshape(8, 1, 1, 1).expand(8, 1, 64, 64)
    mixed, shares = kinds.Mosaic(chance=1, smallest=1)(images, torch.eye(8), generator(1))
    for picture, row in zip(mixed, shares, strict=True):
        areas = torch.stack([((picture - number).abs() < 1e-3).float().mean() for number in range(1, 9)])
        # Bilinear pixels along the outer border of an image are neither of it nor nothing.
        assert torch.allclose(row, areas / areas.sum(), atol=0.06)


def test_mix_up_mixes_labels_as_it_mixes_images():
    images = torch.eye(6)[:, :, None, None].expand(6, 6, 4, 4)
    mixed, shares = kinds.MixUp()(images, torch.eye(6), generator())
    assert torch.allclose(mixed.mean((2, 3)), shares)
    assert (shares.amax(1) >= 0.5).all()
    assert not torch.equal(shares, torch.eye(6))


@pytest.mark.parametrize("mix", [kinds.MixUp(), kinds.CutMix(), kinds.Mosaic(chance=1)])
def test_class_numbers_are_not_mixed(mix):
    with pytest.raises(SettingError, match="class numbers cannot be mixed"):
        mix(torch.rand(4, 3, 8, 8), torch.arange(4), generator())


def test_hidden_shares_are_about_what_was_asked_for():
    images, labels = torch.ones(400, 1, 32, 32), torch.zeros(400)
    hidden = {
        kinds.HideAndSeek(hidden=0.25): 0.25,
        kinds.GridMask(chance=1, hidden=0.5): 0.25,
        kinds.GridMask(chance=0.5, hidden=0.5): 0.125,
    }
    for augmentation, share in hidden.items():
        changed, _ = augmentation(images, labels, generator())
        assert 1 - changed.mean().item() == pytest.approx(share, abs=0.02)


def test_cutout_hides_one_square():
    changed, _ = kinds.Cutout(side=0.25)(torch.ones(200, 1, 32, 32), torch.zeros(200), generator())
    holes = (changed[:, 0] == 0).sum((1, 2))
    assert holes.max() == 64 and holes.min() >= 16


def test_chance_is_the_share_that_is_changed():
    images = torch.rand(2000, 1, 4, 4, generator=generator())
    changed, _ = kinds.Brightness(chance=0.3, strength=1.0)(images, torch.zeros(2000), generator(1))
    assert (changed != images).flatten(1).any(1).float().mean().item() == pytest.approx(0.3, abs=0.04)


def test_hue_turns_a_third_into_another_channel_and_leaves_grey():
    picture = torch.stack([torch.tensor([0.7, 0.1, 0.2]), torch.full((3,), 0.5)]).reshape(2, 3, 1, 1)
    turned = kinds.Hue().recoloured(picture, torch.full((2, 1, 1, 1), 2 / 3)).flatten(1)
    assert torch.allclose(turned[0], torch.tensor([0.2, 0.7, 0.1]), atol=1e-5)
    assert torch.allclose(turned[1], torch.full((3,), 0.5), atol=1e-6)


def test_colours_need_three_channels():
    for one in (kinds.Hue(), kinds.Saturation()):
        with pytest.raises(SettingError, match="images have 1 channels"):
            one(torch.rand(2, 1, 4, 4), torch.zeros(2), generator())


def test_fourier_mix_takes_the_others_colours_and_keeps_shapes():
    shapes = torch.full((2, 3, 16, 16), 0.5)
    shapes[0, :, :, ::2] += 0.1  # the highest frequency there is
    shapes[1, 0] += 0.3
    for seed in range(20):
        mixed, _ = kinds.FourierMix(chance=1, band=0.1)(shapes, torch.zeros(2), generator(seed))
        stripes = mixed[0, :, :, ::2] - mixed[0, :, :, 1::2]
        assert torch.allclose(stripes, torch.full_like(stripes, 0.1), atol=1e-4)
        if (mixed[0, 0].mean() - shapes[0, 0].mean()) > 0.05:
            return
    pytest.fail("no image took the other's colour")


def test_a_policy_gets_pixels_where_it_wants_them_and_gives_back_prepared_images():
    seen = []

    class Looks(kinds.Brightness):
        def recoloured(self, images, amounts):
            seen.append((float(images.min()), float(images.max())))
            return images

    pixels = torch.rand(4, 3, 8, 8, generator=generator())
    mean, std = (torch.tensor(one).reshape(1, 3, 1, 1) for one in (CIFAR.mean, CIFAR.std))
    images = (pixels - mean) / std
    policy = kinds.Policy(
        augmentations=(kinds.MixUp(chance=0), kinds.Policy(augmentations=(Looks(),)), kinds.Flip(chance=0))
    )
    changed, shares = prepared(policy, CIFAR, 10)(images, torch.arange(4), generator())
    assert seen[0][0] >= 0 and seen[0][1] <= 1
    assert torch.allclose(changed, images, atol=1e-5)
    assert torch.equal(shares, torch.eye(10)[:4])


def test_what_takes_images_as_they_are_is_left_alone():
    flip = kinds.Policy(augmentations=(kinds.Flip(), kinds.Cutout()))
    assert prepared(flip, CIFAR, 10) is flip


def test_pre_processing_that_is_not_known_is_refused():
    unknown = Preprocessing(channels=3, height=8, width=8, scale=1)
    change = prepared(kinds.Brightness(), Preprocessing(channels=3, height=8, width=8), 10)
    with pytest.raises(SettingError, match="pixels reach from -"):
        change(torch.randn(4, 3, 8, 8, generator=generator()), torch.arange(4), generator())
    bright = 255 * torch.rand(4, 3, 8, 8, generator=generator())
    changed, _ = prepared(kinds.Brightness(strength=0), unknown, 10)(bright, torch.arange(4), generator())
    assert torch.allclose(changed, bright, atol=1e-2)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("Flip", "chance", 1.5),
        ("Brightness", "strength", -0.1),
        ("Noise", "strength", 2.0),
        ("Rotate", "degrees", 181.0),
        ("Scale", "strength", -1.0),
        ("Crop", "least_area", 0.0),
        ("Crop", "stretch", 0.5),
        ("Cutout", "side", 1.1),
        ("RandomErasing", "largest", -0.1),
        ("HideAndSeek", "grid", 0),
        ("GridMask", "largest_pitch", 0.1),
        ("MixUp", "concentration", -1.0),
        ("CutMix", "least_visible", 2.0),
        ("Mosaic", "centre", 0.5),
        ("FourierMix", "band", 0.6),
    ],
)
def test_values_out_of_range_are_refused(kind, name, value):
    with pytest.raises(SettingError, match=f"{kind}: {name} is {value}"):
        getattr(kinds, kind)(**{name: value})


def test_a_policy_of_nothing_is_refused():
    with pytest.raises(SettingError, match="no augmentations"):
        kinds.Policy(augmentations=())
