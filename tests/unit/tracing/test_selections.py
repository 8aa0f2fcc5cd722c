"""Selections of channels: where they can stand, and that what a layer does not look at need not be selected."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

import lissome as ls
from lissome.compression.pruning.selection import MACS_PER_BYTE, saved_and_moved
from lissome.core.snapshot import read_snapshot, write_snapshot
from lissome.layers.channel_selection import ChannelSelection
from lissome.tracing.groups import groups_of
from lissome.tracing.propagate import propagate
from lissome.tracing.selections import find_readers, with_selections, without_idle_selections
from lissome.tracing.surgery import keep_units, kept_ids


class PreActivation(nn.Module):
    def __init__(self, channels, *, scaled=False):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(channels), nn.Conv2d(channels, 4, 1)
        self.back = nn.Conv2d(4, channels, 3, padding=1)
        self.scale = nn.Parameter(torch.rand(channels, 1, 1)) if scaled else None
        for name in ("weight", "bias", "running_mean", "running_var"):
            nn.init.uniform_(getattr(self.norm, name), 0.5, 1.5)

    def forward(self, x):
        y = functional.relu(self.norm(x))
        return x + self.back(self.conv(y if self.scale is None else y * self.scale))


class Dense(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(channels), nn.Conv2d(channels, 8, 3, padding=1)

    def forward(self, x):
        return torch.cat([x, self.conv(functional.relu(self.norm(x)))], 1)


def preactivation():
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3), PreActivation(16), PreActivation(16, scaled=True), nn.Conv2d(16, 16, 1)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 2)),
    ).eval()


def dense():
    return nn.Sequential(nn.Conv2d(3, 8, 3), Dense(8), Dense(16), Dense(24), nn.Conv2d(32, 2, 1)).eval()


NETWORKS = {"pre-activation": preactivation, "dense": dense}
READERS = {
    "pre-activation": ["1.conv", "1.back", "2.conv", "2.back", "3"],
    "dense": ["1.conv", "2.conv", "3.conv", "4"],
}
IMAGES = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=NETWORKS)
def name(request):
    return request.param


def test_readers_are_found_with_what_prepares_their_input(name):
    readers = find_readers(propagate(NETWORKS[name]().double(), (IMAGES,)))
    assert [one.layer for one in readers] == READERS[name]
    by_name = {one.layer: one for one in readers}
    first = by_name["2.conv"]
    assert (len(first.ids), first.norms, str(first.first.target)) == (16, 1, "2.norm")
    assert first.macs == 36 * (16 * 4 if name == "pre-activation" else 16 * 8 * 9)
    assert first.positions == 36


def test_all_channels_selected_change_nothing_and_idle_selections_go(name):
    model = NETWORKS[name]().double()
    expected = model(IMAGES)
    channels = propagate(model, (IMAGES,))
    graph = with_selections(channels.graph, find_readers(channels))
    assert torch.equal(graph(IMAGES), expected)
    assert sum(isinstance(layer, ChannelSelection) for layer in graph.modules()) == len(READERS[name])
    without_idle_selections(graph)
    assert torch.equal(graph(IMAGES), expected)
    assert not any(isinstance(layer, ChannelSelection) for layer in graph.modules())


@pytest.mark.parametrize("seed", range(5))
def test_what_a_layer_does_not_look_at_need_not_be_selected(name, seed):
    model = NETWORKS[name]().double()
    channels = propagate(model, (IMAGES,))
    graph = with_selections(channels.graph, find_readers(channels))
    channels = propagate(graph, (IMAGES,))
    groups, whole = groups_of(channels)
    selected = {number: group for number, group in enumerate(groups) if group.is_selected}
    assert len(selected) == len(READERS[name])
    assert any(one.reason == "is read through a selection of channels" for one in whole)
    generator, keep = torch.Generator().manual_seed(seed), {}
    for number, group in selected.items():
        keep[number] = torch.rand(len(group), generator=generator) < 0.5
        keep[number][0] = True
        for member in group.weights:  # the columns of the convolution that reads them
            weight = graph.get_parameter(member.path)
            weight.data.index_fill_(member.axis, member.indices[~keep[number]].flatten(), 0)
    expected = copy.deepcopy(graph)(IMAGES)
    pruned = keep_units(graph, channels, kept_ids(channels, keep, groups))
    assert sum(one.selected for one in pruned.modules() if isinstance(one, ChannelSelection)) == sum(
        int(mask.sum()) for mask in keep.values()
    )
    torch.testing.assert_close(pruned(IMAGES), expected, rtol=1e-12, atol=1e-12)


def pruned(name, selection, **settings):
    step = ls.PruneChannels(keep=0.5, multiple_of=1, selection=selection, score=ls.scores.L1(), **settings)
    return step.apply(NETWORKS[name](), ls.Context(example=IMAGES[:1].float()))


def selections(outcome):
    return {path: one for path, one in outcome.model.named_modules() if isinstance(one, ChannelSelection)}


def test_without_being_asked_nothing_is_selected(name):
    assert not selections(pruned(name, "never"))


def test_where_several_layers_read_the_same_each_selects_its_own(name, tmp_path):
    outcome = pruned(name, "where shared")
    shared = {"pre-activation": ["1.conv", "2.conv"], "dense": ["1.conv", "2.conv", "3.conv"]}[name]
    found = selections(outcome)
    assert [path.removesuffix("_selection") for path in found] == shared
    assert all(one.selected == one.channels // 2 for one in found.values())
    rows = {row["group"]: row for row in outcome.measurements["groups"]}
    for path, one in found.items():
        assert rows[path]["kept"] == one.selected
        assert outcome.model.get_submodule(path.removesuffix("_selection")).in_channels == one.selected
    assert outcome.measurements["macs"] < outcome.measurements["macs_before"]
    assert any("read through a selection" in one.reason for one in outcome.declined)
    write_snapshot(outcome.model, tmp_path / "selected.safetensors")
    kept, _ = read_snapshot(tmp_path / "selected.safetensors")
    images = torch.randn(3, 3, 8, 8)
    torch.testing.assert_close(kept(images), outcome.model(images))
    again = ls.PruneChannels(keep=0.5, multiple_of=1, selection="where shared", score=ls.scores.L1())
    twice = again.apply(outcome.model, ls.Context(example=images))
    assert all(one.selected == one.channels // 4 for one in selections(twice).values())


def test_where_channels_stay_whole_they_are_selected():
    outcome = pruned("pre-activation", "where whole", skip=("0", "*.back"))
    assert list(selections(outcome)) == ["1.conv_selection", "2.conv_selection"]
    assert outcome.model.get_submodule("0").out_channels == 16
    assert not selections(pruned("pre-activation", "where whole"))


def test_where_it_does_not_pay_it_is_declined_with_the_figures():
    # Without a normalisation in front, 8 · 8 multiply-adds a pixel are saved for 64 bytes moved.
    network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Conv2d(16, 8, 1), nn.Flatten(), nn.Linear(288, 2)).eval()
    step = ls.PruneChannels(keep=0.5, multiple_of=1, selection="where whole", score=ls.scores.L1(), skip=("0",))
    outcome = step.apply(network, ls.Context(example=torch.zeros(1, 3, 8, 8)))
    assert not selections(outcome)
    reasons = [one.reason for one in outcome.declined if one.layer == "1"]
    assert reasons == ["reads all channels: a selection would save 2,304 MACs and move 2,304 bytes more"]


def test_what_is_weighed():
    reader = next(one for one in find_readers(propagate(preactivation(), (IMAGES.float(),))) if one.layer == "1.conv")
    # 36 pixels, 16 channels, 4 filters; a normalisation on half of the channels saves what the selection moves.
    assert saved_and_moved(reader, 0.5) == (36 * 8 * 4, 0)
    assert saved_and_moved(reader, 0.75) == (36 * 4 * 4, 36 * 16 * 4)
    assert MACS_PER_BYTE == 8
