import json

import torch
from torch import nn

from lissome.core.context import Context
from lissome.core.settings import fingerprint
from lissome.exporting.samples import take_samples
from lissome.layers.reparameterizable import ReparameterizableConvolution
from lissome.profiling.latency_table import LatencyTable
from lissome.timing.layer_bench import LayerBench
from lissome.tuning.trials.facts import find_facts, sensitivity_in
from lissome.tuning.trials.moves import FactorizeLayers, FoldParallel, NarrowGroups
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
    kinds = facts.objective.times().kinds
    assert any((432, 8) in cells for cells in kinds.values())


def test_where_nothing_is_changed_nothing_is_looked_at(pictures, tmp_path):
    facts = facts_of(network(), pictures, tmp_path, moves=(FoldParallel(),))
    assert facts.branches > 0
    assert facts.blocks == 0
    assert facts.sensitivity is None
    assert not list(tmp_path.iterdir())
