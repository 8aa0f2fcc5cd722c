import json

import pytest
import torch
from torch import nn

import lissome as ls
from lissome.compression.pruning.budget import latency_cost, macs_cost, within_budget
from lissome.profiling.latency_table import LayerTimes
from lissome.profiling.layer_kinds import kinds_in
from lissome.profiling.profile import profile
from lissome.tracing.groups import groups_of
from lissome.tracing.propagate import propagate
from lissome.tracing.surgery import keep_units, kept_ids

IMAGE = (torch.zeros(1, 3, 8, 8),)


def _network():
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, groups=32, padding=1), nn.ReLU()),
        *(nn.Conv2d(32, 64, 1), nn.ReLU(), nn.Conv2d(64, 32, 3, groups=4, stride=2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(288, 5)),
    ).eval()


def _staircase(path, network, width):
    """Write a table in which time depends on the next multiple of a width alone."""
    kinds = {}
    for _, kind, reads, makes in kinds_in(network, profile(network, IMAGE)):
        step = 1 if kind.is_linear else max(1, kind.groups)
        for one in range(step, reads + 1, step):
            for other in (one,) if kind.groups == 0 else range(step, makes + 1, step):
                blocks = -(-one // width) * -(-other // width)
                kinds.setdefault(kind, {})[one, other] = 1.0 * blocks
    times = LayerTimes(engine="none", engine_version="0", precision="float32", machine={}, networks={}, kinds=kinds)
    times.write(path)
    return ls.LatencyTable(path=str(path))


def _groups(network):
    channels = propagate(network, IMAGE)
    return channels, groups_of(channels)[0]


def test_macs_predicted_are_those_of_the_network_that_was_cut():
    network = _network()
    channels, groups = _groups(network)
    cost = macs_cost(network, IMAGE, groups)
    counts = [len(one) for one in groups]
    assert cost.at(counts) == profile(network, IMAGE).macs
    fewer = [max(1, one // 2) for one in counts]
    masks = {number: torch.arange(len(one)) < fewer[number] for number, one in enumerate(groups)}
    cut = keep_units(network, channels, kept_ids(channels, masks, groups))
    assert cost.at(fewer) == profile(cut, IMAGE).macs


def test_milliseconds_predicted_are_those_of_the_table(tmp_path):
    network = _network()
    channels, groups = _groups(network)
    table = _staircase(tmp_path / "table.json", network, 8)
    cost = latency_cost(network, IMAGE, groups, table)
    fewer = [max(1, len(one) // 2) for one in groups]
    masks = {number: torch.arange(len(one)) < fewer[number] for number, one in enumerate(groups)}
    predicted = cost.at(fewer)
    cut = keep_units(network, channels, kept_ids(channels, masks, groups))
    rows = kinds_in(cut, profile(cut, IMAGE))
    assert predicted == pytest.approx(sum(table.lookup(kind, reads, makes) for _, kind, reads, makes in rows))


def test_the_cut_goes_to_the_edge_of_the_staircase(tmp_path):
    network = nn.Sequential(nn.Conv2d(3, 64, 1), nn.ReLU(), nn.Conv2d(64, 4, 1)).eval()
    table = _staircase(tmp_path / "table.json", network, 16)
    settings = {"keep": 0.8, "score": ls.scores.L1(), "multiple_of": 1}
    context = ls.Context(example=IMAGE[0])
    assert ls.PruneChannels(objective=table, **settings).apply(network, context).model[0].out_channels == 48
    assert ls.PruneChannels(objective="macs", **settings).apply(network, context).model[0].out_channels == 51
    predicted = ls.PruneChannels(objective=table, **settings).apply(network, context).measurements
    assert (predicted["unit"], predicted["predicted_before"], predicted["predicted"]) == ("ms", 8.0, 6.0)


def test_the_group_that_is_worth_less_for_what_it_costs_is_cut():
    network = nn.Sequential(nn.Conv2d(3, 16, 1), nn.ReLU(), nn.Conv2d(16, 16, 1), nn.ReLU(), nn.Conv2d(16, 4, 1))
    _, groups = _groups(network)
    cost = macs_cost(network, IMAGE, groups)
    flat, steep = torch.ones(16), torch.cat([torch.full((8,), 0.001), torch.ones(8)])
    allowed = [list(range(1, 17))] * 2
    assert within_budget(cost, [flat, steep], allowed, 0.6)[0] == 16
    assert within_budget(cost, [steep, flat], allowed, 0.6)[1] == 16
    assert within_budget(cost, [None, flat], allowed, 0.6)[0] == 16


@pytest.mark.parametrize("keep", [0.9, 0.5, 0.2])
def test_the_budget_is_kept_and_not_wasted(keep):
    network = ls.create("resnet20", seed=0)
    context = ls.Context(example=torch.zeros(1, 3, 32, 32))
    step = ls.PruneChannels(objective="macs", keep=keep, score=ls.scores.L1(), multiple_of=1)
    figures = step.apply(network, context).measurements
    assert figures["macs"] == figures["predicted"]
    assert 0.95 * keep < figures["macs"] / figures["macs_before"] <= keep


def test_what_cannot_be_saved_is_refused():
    context = ls.Context(example=IMAGE[0])
    with pytest.raises(ls.SettingError, match=r"no more than \d+% of the MACs can be saved"):
        ls.PruneChannels(objective="macs", keep=0.01, score=ls.scores.L1()).apply(_network(), context)


@pytest.mark.parametrize("idle", [{"scope": "global"}, {"keep_of": {"0": 0.5}}])
def test_settings_that_the_objective_makes_idle_are_refused(idle):
    with pytest.raises(ls.SettingError, match="the objective decides"):
        ls.PruneChannels(objective="macs", **idle)


def test_a_recipe_with_a_table_goes_through_toml_and_means_the_same_file(tmp_path):
    table = _staircase(tmp_path / "table.json", _network(), 8)
    step = ls.PruneChannels(objective=table)
    text = ls.recipe_to_toml(step)
    assert ls.recipe_from_toml(text) == ls.Recipe(step)
    content = json.loads((tmp_path / "table.json").read_text())
    (tmp_path / "table.json").write_text(json.dumps({**content, "engine": "another"}))
    with pytest.raises(ls.BadRecipeError, match="has the digest"):
        ls.recipe_from_toml(text)


def test_blocks_go_by_what_they_save(tmp_path):
    network = ls.create("resnet20", seed=0)
    image = torch.zeros(1, 3, 32, 32)
    pixels = torch.randint(0, 255, (24, 32, 32, 3), dtype=torch.uint8).numpy()
    task = ls.Task.from_arrays(pixels, torch.arange(24).numpy() % 10, pixels[:10], torch.arange(10).numpy())
    cost = profile(network, image)
    kinds = {}
    for _, kind, reads, makes in kinds_in(network, cost):
        kinds.setdefault(kind, {})[reads, makes] = 9.0 if kind.size == (8, 8) else 0.001
    LayerTimes(engine="none", engine_version="0", precision="float32", machine={}, networks={}, kinds=kinds).write(
        tmp_path / "table.json"
    )
    table = ls.LatencyTable(path=str(tmp_path / "table.json"))
    step = ls.PruneBlocks(keep=0.7, objective=table, images=8)
    outcome = step.apply(network, ls.Context(task))
    figures = outcome.measurements
    assert figures["unit"] == "ms"
    assert figures["predicted"] <= 0.7 * figures["predicted_before"]
    assert all(one["name"].startswith("stages.stage3") for one in figures["removed"])
    assert figures["predicted_before"] - figures["predicted"] == pytest.approx(
        sum(one["saved"] for one in figures["removed"])
    )
