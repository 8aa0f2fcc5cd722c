"""Grouped convolutions: of many groups whole ones go, of few as much of each; zeros go unnoticed."""

import pytest
import torch
from torch import nn

import lissome as ls


def conv(inputs, outputs, groups, kind=nn.Conv2d):
    return kind(inputs, outputs, 3, padding=1, groups=groups)


def network(*layers, channels=16):
    return nn.Sequential(conv(3, channels, 1), *layers, nn.ReLU(), conv(channels, 4, 1))


CASES = {
    "many small groups": (network(nn.ReLU(), conv(16, 16, 8)), "0", 8, 2, lambda one: one.weight.shape[1] == 2),
    "few large groups": (network(nn.ReLU(), conv(16, 16, 2)), "0", 8, 2, lambda one: one.groups == 2),
    "more outputs than inputs": (
        nn.Sequential(conv(3, 8, 1), nn.ReLU(), conv(8, 24, 4), nn.ReLU(), conv(24, 4, 1)),
        "0",
        4,
        2,
        lambda one: one.out_channels == 3 * one.in_channels,
    ),
    "fewer outputs than inputs": (
        nn.Sequential(conv(3, 24, 1), nn.ReLU(), conv(24, 12, 6), nn.ReLU(), conv(12, 4, 1)),
        "0",
        6,
        4,
        lambda one: 2 * one.out_channels == one.in_channels,
    ),
    "transposed, many": (
        network(nn.ReLU(), conv(16, 16, 8, nn.ConvTranspose2d)),
        "0",
        8,
        2,
        lambda one: one.weight.shape[1] == 2,
    ),
    "transposed, few": (
        network(nn.ReLU(), conv(16, 16, 2, nn.ConvTranspose2d)),
        "0",
        8,
        2,
        lambda one: one.groups == 2,
    ),
    "a shuffle across the groups": (
        network(nn.ChannelShuffle(3), conv(24, 24, 3), channels=24),
        "0",
        2,
        9,
        lambda one: one.groups == 3,
    ),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", CASES)
def test_zeros_go_unnoticed(case, seed, zeros_cut):
    model, name, units, channels, holds = CASES[case]
    cut = zeros_cut(model, torch.randn(2, 3, 5, 5), seed=seed)
    group = next(one for one in cut.groups if one.name == name)
    assert (len(group), group.channels_a_unit) == (units, channels)
    assert cut.worst < 1e-10
    layer = next(one for one in cut.after if getattr(one, "groups", 1) > 1 and hasattr(one, "weight"))
    assert layer.in_channels < group.channels
    assert holds(layer)


def test_whole_groups_go_as_one_with_the_layers_around():
    model = network(nn.ReLU(), conv(16, 16, 8)).eval()
    step = ls.PruneChannels(keep=0.5, score=ls.scores.L1(), multiple_of=4)
    outcome = step.apply(model, ls.Context(example=torch.zeros(1, 3, 5, 5)))
    assert [(one.groups, one.in_channels) for one in outcome.model if isinstance(one, nn.Conv2d)] == [
        *((1, 3), (4, 8), (1, 8)),
    ]
