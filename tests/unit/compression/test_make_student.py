import pytest
import torch
from torch import nn

import lissome as ls

CONTEXT = ls.Context(example=torch.zeros(1, 3, 32, 32), seed=0)


def test_a_shallow_student_has_blocks_of_every_stage():
    outcome = ls.MakeStudent(depth=0.5).apply(ls.create("resnet32", seed=0), CONTEXT)
    figures = outcome.measurements
    assert (figures["blocks_before"], figures["blocks"]) == (13, 7)
    assert figures["macs"] < 0.65 * figures["macs_before"]
    layers = {name for name, _ in outcome.model.named_modules()}
    for stage in (1, 2, 3):
        assert any(one.startswith(f"stages.stage{stage}.") for one in layers)
    assert outcome.model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2", "shufflenet_v2_x1_0"])
def test_a_narrow_student_of_any_family_keeps_input_and_output(name):
    settings = {} if name.startswith("resnet") else {"classes": 7}
    teacher = ls.create(name, seed=0, **settings).eval()
    outcome = ls.MakeStudent(width=0.5).apply(teacher, CONTEXT)
    assert outcome.measurements["params"] < 0.5 * outcome.measurements["params_before"]
    assert outcome.model(CONTEXT.example).shape == teacher(CONTEXT.example).shape


def test_inherited_weights_are_the_teachers_and_fresh_ones_depend_on_the_seed_alone():
    torch.manual_seed(0)
    teacher = nn.Sequential(nn.Conv2d(3, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 4, 1))
    teacher[1].running_mean.fill_(5)
    rows = {tuple(one.flatten().tolist()) for one in teacher[0].weight}
    heir = ls.MakeStudent(width=0.5).apply(teacher, CONTEXT).model
    assert {tuple(one.flatten().tolist()) for one in heir[0].weight} < rows
    fresh = [ls.MakeStudent(width=0.5, weights="fresh").apply(teacher, CONTEXT).model for _ in range(2)]
    assert fresh[0][0].weight.shape == heir[0].weight.shape
    assert not {tuple(one.flatten().tolist()) for one in fresh[0][0].weight} & rows
    assert torch.equal(fresh[0][0].weight, fresh[1][0].weight) and fresh[0][1].running_mean.norm() == 0
    assert teacher[1].running_mean.mean() == 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "width and depth are both 1"),
        ({"width": 0.0}, "width is 0.0"),
        ({"depth": 1.5}, "depth is 1.5"),
        ({"width": 0.5, "weights": "old"}, "weights is 'old'"),
        ({"width": 0.5, "multiple_of": 0}, "multiple_of is 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ls.SettingError, match=message):
        ls.MakeStudent(**settings)


def test_a_network_without_blocks_cannot_get_shallower():
    with pytest.raises(ls.SettingError, match="of 0 blocks removes none"):
        ls.MakeStudent(depth=0.5).apply(nn.Sequential(nn.Conv2d(3, 8, 3)), CONTEXT)
