import json

import torch
from torch import nn

from lissome.core.context import Context
from lissome.core.settings import fingerprint
from lissome.exporting.samples import take_samples
from lissome.layers.basic_block import BasicBlock
from lissome.layers.reparameterizable import ReparameterizableConvolution
from lissome.profiling.latency_table import LatencyTable
from lissome.timing.layer_bench import LayerBench
from lissome.tuning.trials.facts import Facts, find_facts, sensitivity_in
from lissome.tuning.trials.moves import FactorizeLayers, FoldParallel, NarrowGroups, RemoveSmallBlocks
from lissome.tuning.trials.space import SearchSpace

BENCH = LayerBench(seconds=0.02)


def facts_of(network, pictures, folder, **settings):
    context = Context(pictures)
    inquiry = SearchSpace(**settings).inquiry
    return find_facts(network.eval(), take_samples(context), context, inquiry, BENCH, folder)


def network():
    torch.manual_seed(0)
    return nn.Sequential(ReparameterizableConvolution(3, 16), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 2))


def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(432, 16), nn.ReLU(), nn.Linear(16, 2))


def test_what_moves_ask_is_found_and_the_scan_is_kept(pictures, tmp_path):
    given = network()
    before = fingerprint(given.eval())
    facts = facts_of(given, pictures, tmp_path, objective="macs", moves=(NarrowGroups(images=16), FactorizeLayers()))
    assert facts.branches > 0
    assert facts.splits == ("convolutions", "fully connected")
    assert facts.maps
    assert [one["channels"] for one in facts.sensitivity["groups"]] == [16]
    assert sensitivity_in(tmp_path) == facts.sensitivity
    assert fingerprint(given) == before
    (kept,) = tmp_path.glob("sensitivity-*.json")
    kept.write_text(json.dumps({**facts.sensitivity, "base": 0.5}))
    again = facts_of(given, pictures, tmp_path, objective="macs", moves=(NarrowGroups(images=16),))
    assert again.sensitivity["base"] == 0.5  # read, not scanned again


def test_layers_that_factorizations_make_are_timed_too(pictures, tmp_path):
    facts = facts_of(linear(), pictures, tmp_path, moves=(FactorizeLayers(methods=()),))
    assert isinstance(facts.objective, LatencyTable)
    assert not facts.maps
    kinds = facts.objective.times().kinds
    assert any((432, 8) in cells for cells in kinds.values())


def test_where_nothing_is_changed_nothing_is_looked_at(pictures, tmp_path):
    facts = facts_of(network(), pictures, tmp_path, moves=(FoldParallel(),))
    assert facts.branches > 0
    assert facts.blocks == 0
    assert facts.sensitivity is None
    assert not list(tmp_path.iterdir())


def test_blocks_that_hold_many_parameters_are_known_and_can_be_left(pictures, tmp_path):
    def residual(width):
        return BasicBlock(width, width)

    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 1), residual(4), residual(4), nn.Conv2d(4, 16, 1), residual(16), nn.Flatten(), nn.LazyLinear(2)
    )
    network(next(iter(pictures.train.batches(2)))[0])
    move = RemoveSmallBlocks(images=8)
    facts = facts_of(network, pictures, tmp_path, objective="macs", moves=(move,))
    assert facts.blocks == 3
    assert facts.large_blocks == ("4",)
    assert move.choices(facts) == (0, 1, 2)
    assert [one.skip for one in move.steps(2, facts)] == [("4",)] * 2


def test_where_all_blocks_are_alike_none_is_small():
    assert RemoveSmallBlocks().choices(Facts(blocks=3, large_blocks=("a", "b", "c"))) == (0,)
