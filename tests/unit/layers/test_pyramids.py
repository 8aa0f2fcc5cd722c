"""Pyramids of maps against their equations, and what all of them share."""

import pytest
import torch
from torch.nn import functional

import lissome as ls
from lissome.layers.feature_pyramid import FeaturePyramid, PathAggregation
from lissome.layers.hyper_column import HyperColumn
from lissome.layers.scale_aggregation import ScaleAggregation
from lissome.layers.spatial_fusion import SpatialFusion
from lissome.layers.weighted_pyramid import EPSILON, WeightedPyramid, WeightedSum

SIDES = ((12, 18), (6, 9), (3, 5))


def maps_of(*channels):
    return [torch.randn(2, count, *side) for count, side in zip(channels, SIDES, strict=True)]


def odd_maps(channels):
    return [torch.randn(1, channels, side, side) for side in (13, 7, 4)]


def test_top_down_equals_the_equation():
    pyramid, maps = FeaturePyramid((4, 6, 8), 5).eval(), maps_of(4, 6, 8)
    lateral = [layer(one) for layer, one in zip(pyramid.lateral, maps, strict=True)]
    middle = lateral[1] + functional.interpolate(lateral[2], size=maps[1].shape[2:])
    expected = pyramid.smooth[0](lateral[0] + functional.interpolate(middle, size=maps[0].shape[2:]))
    found = pyramid(maps)
    assert torch.equal(found[0], expected)
    assert torch.equal(found[2], pyramid.smooth[2](lateral[2]))


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_a_map_knows_the_coarser_ones_and_after_aggregation_the_finer_too(changed):
    maps = maps_of(4, 6, 8)
    other = [one + (number == changed) for number, one in enumerate(maps)]
    for build, knows in ((FeaturePyramid, lambda level: changed >= level), (PathAggregation, lambda level: True)):
        pyramid = build((4, 6, 8), 5).eval()
        differs = [not torch.equal(one, two) for one, two in zip(pyramid(maps), pyramid(other), strict=True)]
        assert differs == [knows(level) for level in range(3)]


def test_a_weighted_sum_equals_the_equation_and_ignores_negative_weights():
    layer, maps = WeightedSum(3), [torch.randn(2, 3, 4, 4) for _ in range(3)]
    layer.weights.data = torch.tensor([1.0, -2.0, 3.0])
    assert torch.allclose(layer(maps), (maps[0] + 3 * maps[2]) / (4 + EPSILON), atol=1e-6)


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_every_map_of_a_weighted_pyramid_knows_every_other(changed):
    pyramid, maps = WeightedPyramid(3, 6).train(), maps_of(6, 6, 6)
    maps[changed].requires_grad_()
    for one in pyramid(maps):
        (gradient,) = torch.autograd.grad(one.square().sum(), maps[changed], retain_graph=True)
        assert gradient.abs().sum() > 0


@pytest.mark.parametrize("level", [0, 1, 2])
def test_spatial_fusion_listens_to_whom_a_place_decides_for(level):
    fusion, maps = SpatialFusion(3, 6, level).eval(), maps_of(6, 6, 6)
    assert fusion(maps).shape == maps[level].shape
    # One map that always wins: the result is that map's alone.
    fusion.decision.weight.data.zero_()
    fusion.decision.bias.data = torch.tensor([0.0, 0.0, 100.0])
    alone = functional.interpolate(fusion.fits[2](maps[2]), size=maps[level].shape[2:])
    assert torch.allclose(fusion(maps), fusion.expand(alone), atol=1e-5)
    weights = fusion.weights([maps[level]] * 3)
    assert torch.allclose(weights.sum(1), torch.ones(1), atol=1e-6)


def test_scale_aggregation_weighs_each_channel():
    layer = ScaleAggregation(2, 8, 2, reduction=4)
    pyramids = [maps_of(8, 8, 8)[:2] for _ in range(2)]
    fine, coarse = layer(pyramids)
    both = torch.cat([pyramids[0][1], pyramids[1][1]], 1)
    assert fine.shape == (2, 16, 12, 18)
    assert torch.equal(coarse, layer.attention[1](both))


def test_a_hyper_column_keeps_each_map_at_its_place():
    maps = [torch.randn(2, count, side, 2 * side) for count, side in zip((2, 3, 4), (12, 6, 3), strict=True)]
    column = HyperColumn(target=1)(maps)
    assert torch.allclose(column[:, :2], functional.avg_pool2d(maps[0], 2), atol=1e-6)
    assert torch.equal(column[:, 2:5], maps[1])
    assert torch.equal(column[:, 5:], functional.interpolate(maps[2], size=maps[1].shape[2:]))
    smooth = HyperColumn(mode="bilinear")(maps)
    assert smooth.shape == (2, 9, 12, 24)


@pytest.mark.parametrize("build", [lambda: PathAggregation((4, 4, 4), 4), lambda: WeightedPyramid(3, 4)])
def test_odd_sides_fit_together(build):
    shapes = [tuple(one.shape[2:]) for one in build().eval()(odd_maps(4))]
    assert shapes == [(13, 13), (7, 7), (4, 4)]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FeaturePyramid((4,), 4), "FeaturePyramid: there is 1 map"),
        (lambda: WeightedPyramid(1, 4), "WeightedPyramid: there is 1 map"),
        (lambda: SpatialFusion(3, 4, 3), "level is 3"),
        (lambda: ScaleAggregation(1, 4, 1), "1 pyramids"),
        (lambda: HyperColumn(mode="cubic"), "mode is cubic"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(make, words):
    with pytest.raises(ls.SettingError, match=words):
        make()
