"""A plain network under RepSGD walks the same path as the network with branches under SGD."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import lissome as ls
from lissome.core.errors import SettingError
from lissome.layers.scaled_branches import (
    BranchScales,
    ScaledBranches,
    gradient_mask,
    scales_of,
    with_scaled_branches,
    without_scaled_branches,
)
from lissome.training.optimizers import SGD, RepSGD

SCALES = (
    BranchScales(layer="0", kernel=tuple(0.5 + 0.1 * one for one in range(8)), point=0.7, identity=0.3),
    BranchScales(layer="6", kernel=1.3, point=0.0, identity=None),
    BranchScales(kernel=0.8, point=tuple(0.1 * one for one in range(8)), identity=1.5),
)


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(8, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 5, stride=2, padding=2, groups=4, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, bias=False),
        nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=2),
        nn.ReLU(),
        nn.Conv2d(8, 6, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 4),
    ).double()


def train(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[float]:
    generator, losses = torch.Generator().manual_seed(3), []
    model.train()
    for _ in range(6):
        images = torch.randn(8, 8, 9, 9, generator=generator).double()
        loss = functional.cross_entropy(model(images), torch.arange(8) % 4)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate": 0.2, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0},
        {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    ],
    ids=["plain", "momentum_and_decay"],
)
def test_the_paths_are_the_same(settings: dict[str, float]) -> None:
    branched = with_scaled_branches(network(), SCALES)
    assert sum(isinstance(one, ScaledBranches) for one in branched.modules()) == 4
    plain, unmasked = without_scaled_branches(branched), without_scaled_branches(branched)
    start = plain[0].weight.clone()
    expected = train(branched, SGD(**settings).build(branched))
    actual = train(plain, RepSGD(scales=SCALES, **settings).build(plain))
    assert actual == pytest.approx(expected, abs=1e-9)
    for one, other in zip(without_scaled_branches(branched).parameters(), plain.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-9)
    assert (plain[0].weight - start).abs().max() > 1e-3
    # Without the masks the path is another one.
    assert train(unmasked, SGD(**settings).build(unmasked)) != pytest.approx(expected, abs=1e-4)


def test_the_plain_form_computes_the_same() -> None:
    branched, x = with_scaled_branches(network(), SCALES).eval(), torch.randn(2, 8, 7, 7).double()
    assert torch.allclose(without_scaled_branches(branched)(x), branched(x), atol=1e-12)


def test_a_search_trains_the_scales_and_they_are_read_back() -> None:
    branched = with_scaled_branches(network(), search=True)
    train(branched, SGD(learning_rate=0.1).build(branched))
    found = scales_of(branched)
    assert [one.layer for one in found] == ["0", "3", "6", "7"]
    assert all(len(one.kernel) == len(one.point) == 8 for one in found)
    assert len(set(found[0].kernel)) > 1
    assert found[1].identity is None
    plain = without_scaled_branches(branched)
    train(plain, RepSGD(scales=found).build(plain))
    constant = with_scaled_branches(network())
    before = constant[0].kernel_scale.clone()
    train(constant, SGD(learning_rate=0.1).build(constant))
    assert torch.equal(constant[0].kernel_scale, before)


def test_a_mask_of_groups_marks_each_channels_own_place() -> None:
    mask = gradient_mask(nn.Conv2d(4, 4, 3, padding=1, groups=2), BranchScales(kernel=1.0, point=0.0))
    assert mask[:, :, 1, 1].tolist() == [[2.0, 1.0], [1.0, 2.0]] * 2


def test_it_is_a_choice_of_train_and_of_recipes() -> None:
    step = ls.Train(epochs=1, optimizer=RepSGD(scales=SCALES))
    assert ls.recipe_from_toml(ls.recipe_to_toml(step)) == ls.Recipe(step)


def test_layers_without_a_place_for_branches_are_left_out_or_refused() -> None:
    with pytest.raises(SettingError, match="no convolution of 3x3 or more matches the scales"):
        RepSGD().build(nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3), nn.Linear(2, 2)))
    with pytest.raises(SettingError, match="no convolution of 3x3 or more matches the scales"):
        with_scaled_branches(network(), (BranchScales(layer="nowhere"),))
    with pytest.raises(SettingError, match="only a convolution of odd size"):
        ScaledBranches(nn.Conv2d(4, 4, 3))
    with pytest.raises(SettingError, match="0: 3 scales for 8 channels"):
        RepSGD(scales=(BranchScales(kernel=(1.0, 1.0, 1.0)),)).build(network())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scales": ()}, "there are no scales"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"momentum": 1.0}, "momentum is 1.0"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0"),
    ],
)
def test_values_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=f"RepSGD: {message}"):
        RepSGD(**settings)


def test_negative_scales_are_refused() -> None:
    with pytest.raises(SettingError, match="BranchScales: point is -1"):
        BranchScales(point=-1.0)
    with pytest.raises(SettingError, match="BranchScales: kernel is"):
        BranchScales(kernel=(1.0, -0.5))
