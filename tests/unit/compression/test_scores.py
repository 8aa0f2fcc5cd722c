"""Each score against numbers worked out by hand or by another road, and how layers' numbers become a group's."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import lissome as ls
from lissome.core.names import load_attribute
from lissome.tables import SCORES
from lissome.tracing.groups import groups_of
from lissome.tracing.propagate import propagate

IMAGES = 12


@pytest.fixture
def task():
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES * 2, 6, 6, 3), dtype=np.uint8)
    labels = np.arange(IMAGES * 2) % 2
    return ls.Task.from_arrays(pixels, labels, pixels[:4], labels[:4])


@pytest.fixture
def context(task):
    return ls.Context(task, seed=0)


@pytest.fixture
def model():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(8, 2)
    ).eval()


def score_of(score, model, context, name="0"):
    groups, _ = groups_of(propagate(model, context.example_inputs()))
    return score.of([one for one in groups if one.name == name], model, context)[0]


def training_images(task):
    return torch.cat([images for images, _ in task.train.batches(1)])


def test_taylor_is_the_squared_sum_of_gradient_times_weight(model, context, task):
    images, labels = next(iter(task.train.batches(len(task.train))))
    functional.cross_entropy(model(images), labels).backward()
    weight = model[0].weight
    expected = (weight.grad * weight.detach()).flatten(1).sum(1).square()
    model.zero_grad(set_to_none=True)
    found = score_of(ls.scores.Taylor(images=1000, batch_size=1000), model, context)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-9)
    assert model[0].weight.grad is None


def test_taylor_foresees_what_the_loss_does(model, context, task):
    images, labels = next(iter(task.train.batches(len(task.train))))
    small = 1e-3  # so little of the channel goes that the first order is all there is
    expected = []
    with torch.no_grad():
        loss = functional.cross_entropy(model.double()(images.double()), labels)
        for channel in range(4):
            model[0].weight[channel] *= 1 - small
            expected.append(((functional.cross_entropy(model(images.double()), labels) - loss) / small) ** 2)
            model[0].weight[channel] /= 1 - small
    found = score_of(ls.scores.Taylor(images=1000, batch_size=1000), model.float(), context)
    torch.testing.assert_close(found, torch.stack(expected).float(), rtol=2e-2, atol=1e-9)


def test_the_hessian_diagonal_is_of_single_images(model, context, task):
    squares = torch.zeros_like(model[0].weight)
    for images, labels in task.train.batches(1):
        (gradient,) = torch.autograd.grad(functional.cross_entropy(model(images), labels), [model[0].weight])
        squares += gradient.square()
    expected = (squares / len(task.train) * model[0].weight.detach().square() / 2).flatten(1).sum(1)
    found = score_of(ls.scores.HessianDiagonal(images=1000), model, context)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-9)


def test_parameters_that_do_not_learn_are_scored_and_left_so(model, context):
    model.requires_grad_(False)
    assert (score_of(ls.scores.Taylor(images=8), model, context) > 0).all()
    assert not any(one.requires_grad for one in model.parameters())


def test_the_geometric_median_is_nearest_to_all_others(model, context):
    with torch.no_grad():
        for channel, place in enumerate((0.0, 1.0, 3.0, 10.0)):
            model[0].weight[channel] = 0
            model[0].weight[channel, 0, 0, 0] = place
    # Sums of distances: 14, 12, 12, 26 from the others; one fourth each.
    found = score_of(ls.scores.GeometricMedian(normalize="none"), model, context)
    assert found.tolist() == [3.5, 3.0, 3.0, 6.5]


def test_the_rank_of_maps(context):
    class Maps(nn.Module):
        def __init__(self):
            super().__init__()
            self.maker, self.reader = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 2, 1)
            nn.init.zeros_(self.maker.weight)
            self.maker.weight.data[2, 0] = 1

        def forward(self, x):
            return self.reader(self.maker(x))

    model = Maps().eval()
    model.maker.bias.data = torch.tensor([0.0, 1.0, 0.0])
    # A map of zeros, a map of ones, and the red channel of a picture of noise.
    found = score_of(ls.scores.ActivationRank(normalize="none"), model, context, "maker")
    assert found.tolist()[:2] == [0, 1]
    assert found[2] > 5.5


def test_the_mean_activation_is_what_the_next_layer_reads(model, context, task):
    with torch.no_grad():
        expected = model[:3](training_images(task)).abs().mean((0, 2, 3))
    found = score_of(ls.scores.ActivationMean(images=1000, normalize="none"), model, context)
    torch.testing.assert_close(found, expected)


def test_activations_of_a_flat_map(model, context, task):
    with torch.no_grad():
        expected = model[:5](training_images(task)).abs().mean(0).view(2, 4).mean(1)
    found = score_of(ls.scores.ActivationMean(images=1000, normalize="none"), model, context, "3")
    torch.testing.assert_close(found, expected)


def test_where_no_plain_layer_reads_what_is_made_is_watched(context):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1, groups=2), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()
    images = training_images(context.task)
    with torch.no_grad():
        made = model[0](images).abs().mean((0, 2, 3))
    found = score_of(ls.scores.ActivationMean(images=1000, normalize="none"), model, context)
    torch.testing.assert_close(found, made.view(2, 2).mean(0))


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right, self.last = (nn.Conv2d(i, o, 1, bias=False) for i, o in ((3, 2), (3, 2), (2, 2)))
        with torch.no_grad():
            self.left.weight[:] = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)
            self.right.weight[:] = torch.tensor([8.0, 2.0]).view(2, 1, 1, 1)

    def forward(self, x):
        return self.last(self.left(x) + self.right(x))


AGGREGATED = {
    ("mean", "none"): [4.5, 2.5],
    ("sum", "none"): [9.0, 5.0],
    ("max", "none"): [8.0, 3.0],
    ("mean", "mean"): [(0.5 + 1.6) / 2, (1.5 + 0.4) / 2],
    ("sum", "max"): [1 / 3 + 1, 1 + 1 / 4],
}


@pytest.mark.parametrize("settings", AGGREGATED)
def test_layers_of_a_group_are_put_together(settings, context):
    aggregate, normalize = settings
    found = score_of(ls.scores.L1(aggregate=aggregate, normalize=normalize), Two().eval(), context, "left")
    torch.testing.assert_close(found, torch.tensor(AGGREGATED[settings]))


@pytest.mark.parametrize("name", SCORES)
def test_every_score_prunes_leaves_the_model_alone_and_says_what_it_needs(name, model, context):
    score = load_attribute(SCORES[name])()
    step = ls.PruneChannels(keep=0.5, score=score, multiple_of=1)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    outcome = step.apply(model, context)
    assert outcome.model[0].out_channels == 2
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())
    if score.requires():
        with pytest.raises(ls.SettingError, match="needs a task"):
            step.apply(model, ls.Context(example=torch.zeros(1, 3, 6, 6)))
    assert ls.recipe_from_toml(ls.recipe_to_toml(step)) == ls.Recipe(step)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("L1", {"aggregate": "median"}),
        ("L2", {"normalize": "all"}),
        ("Taylor", {"batch_size": 0}),
        ("Taylor", {"aggregate": "all"}),
        ("HessianDiagonal", {"images": 0}),
        ("ActivationMean", {"images": 0}),
        ("ActivationRank", {"images": -1}),
    ],
)
def test_settings_out_of_range(name, settings):
    with pytest.raises(ls.SettingError, match=f"^{name}: {next(iter(settings)) if name != 'Taylor' else ''}"):
        load_attribute(SCORES[name])(**settings)
