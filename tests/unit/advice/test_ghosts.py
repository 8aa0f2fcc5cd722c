import json

import pytest
import torch
from torch import nn

from lissome.advice.ghosts import ghosts
from lissome.core.errors import BadDataError, SettingError, ShapeError
from lissome.data import sample
from lissome.models.create import create
from lissome.models.weights import load_weights


@pytest.fixture
def images():
    return torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def _twins():
    """A convolution whose channels 1 and 3 are the same but for scale and offset, and 0 is its negative."""
    layer = nn.Conv2d(3, 5, 3, padding=1)
    with torch.no_grad():
        layer.weight[3], layer.bias[3] = 2.5 * layer.weight[1], 7.0
        layer.weight[0], layer.bias[0] = -layer.weight[1], layer.bias[1]
        layer.weight[4], layer.bias[4] = 0.0, 1.0
    return layer


def test_scaled_and_negated_copies_are_found_and_a_dead_channel_is_none(images):
    (layer,) = ghosts(_twins(), images).layers
    assert [round(layer.similarity[one], 5) for one in (0, 1, 3)] == [1.0, 1.0, 1.0]
    assert layer.similarity[2] < 0.9
    assert layer.similarity[4] == 0.0
    assert layer.constant == (4,)
    assert layer.ghosts(0.9) == 3
    best = layer.pairs[0]
    assert {best.first, best.second} <= {0, 1, 3}
    assert abs(best.correlation) == pytest.approx(1.0)


def test_similarity_is_the_correlation_that_numpy_gives(images):
    layer = nn.Conv2d(3, 6, 3)
    with torch.no_grad():
        maps = layer(images).transpose(0, 1).flatten(1).double()
    expected = torch.corrcoef(maps).abs().fill_diagonal_(0).amax(1)
    (found,) = ghosts(layer, images).layers
    assert found.similarity == pytest.approx(expected.tolist(), abs=1e-5)


def test_no_channel_is_in_two_pairs_and_the_histogram_counts_all(images):
    (layer,) = ghosts(nn.Conv2d(3, 8, 3), images, pairs=3).layers
    used = [one for pair in layer.pairs for one in (pair.first, pair.second)]
    assert len(used) == len(set(used)) == 6
    assert sum(layer.histogram()) == 8


def test_single_pixels_are_no_maps(images):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 2, 1))
    assert [one.layer for one in ghosts(model, images)] == ["0"]


def test_a_network_is_left_as_it_was(images):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    mean = model[1].running_mean.clone()
    ghosts(model, images)
    assert model.training
    assert torch.equal(mean, model[1].running_mean)
    assert not model[0]._forward_hooks


def test_real_maps_of_a_trained_network_repeat_each_other_in_the_stem():
    chosen = sample()
    model = create("resnet20")
    load_weights(model, chosen.weights_path)
    found = ghosts(model, chosen.task, limit=16)
    assert found.images == 16
    assert len(found.layers) == 19
    stem = found.layers[0]
    assert stem.ghosts(0.9) >= 2
    assert 0 < found.share < 1
    table = json.loads(json.dumps(found.to_dict()))
    assert table["ghost_layers"][0]["pairs"][0]["maps"][0].startswith("data:image/png;base64,")
    assert "stem.conv" in str(found)


def test_bad_input_is_refused(images):
    with pytest.raises(SettingError, match="threshold is 0"):
        ghosts(nn.Conv2d(3, 4, 1), images, threshold=0)
    with pytest.raises(SettingError, match="no convolution"):
        ghosts(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), images)
    with pytest.raises(BadDataError, match="no image"):
        ghosts(nn.Conv2d(3, 4, 1), images[:0])
    with pytest.raises(ShapeError):
        ghosts(nn.Conv2d(4, 4, 1), images)
