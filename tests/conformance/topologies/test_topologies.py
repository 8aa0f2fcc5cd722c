"""Each wiring is pruned, folded, counted and kept."""

import copy

import torch
from torch import nn

import lissome as ls
from lissome.core.snapshot import read_snapshot, write_snapshot


def flat(value):
    if isinstance(value, dict):
        value = tuple(value.values())
    return [one for part in value for one in flat(part)] if isinstance(value, tuple | list) else [value]


def counted(model, inputs):
    """Count the MACs of layers by hooks: a weight is used once an output position (transposed: an input position)."""
    macs = []

    def count(layer, given, made):
        if isinstance(layer, nn.MultiheadAttention):  # its four projections are layers that are never called themselves
            macs.append(4 * layer.embed_dim * made[0].numel())
            return
        positions = given[0] if isinstance(layer, nn.ConvTranspose2d) else made
        macs.append(layer.weight[0].numel() * positions.numel())

    handles = [
        layer.register_forward_hook(count)
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.MultiheadAttention)
    ]
    model(*inputs)
    for handle in handles:
        handle.remove()
    return sum(macs)


def test_pruned_networks_keep_their_shapes_and_learn(topology, model, inputs, pruned):
    before = copy.deepcopy(model.state_dict())
    shapes = [one.shape for one in flat(model(*inputs))]
    outputs = flat(pruned.model(*inputs))
    assert [one.shape for one in outputs] == shapes
    sum(one.sum() for one in outputs).backward()
    assert all(one.grad is not None for one in pruned.model.parameters() if one.requires_grad)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(one.grad is None for one in model.parameters())


def test_what_can_go_goes_and_what_cannot_is_named(topology, pruned):
    applied = [note.layer for note in pruned.notes if note.applied]
    assert set(applied) <= topology.pruned
    figures = pruned.measurements
    if topology.pruned:
        assert figures["params"] < figures["params_before"]
        assert figures["macs"] < figures["macs_before"]
    else:
        assert not applied
        assert figures["params"] == figures["params_before"]
    assert any(topology.reason in note.reason for note in pruned.declined)


def test_half_of_each_layer_that_can_be_pruned_stays(topology, model, pruned):
    for path, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            before, after = outputs_of(layer), outputs_of(pruned.model.get_submodule(path))
            depthwise = getattr(layer, "groups", 1) > 1 and layer.groups == layer.in_channels
            if path in topology.pruned or (depthwise and topology.pruned):
                assert before // 3 <= after <= before // 2
            else:
                assert after == before


def outputs_of(layer):
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels


def test_folding_leaves_outputs_equal(model, inputs):
    folded = ls.FoldBatchNorm().apply(model, ls.Context(example=inputs)).model
    for one, other in zip(flat(model(*inputs)), flat(folded(*inputs)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_counts_are_those_of_hooks(model, inputs, pruned):
    for network in (model, pruned.model):
        cost = ls.profile(network, inputs)
        assert cost.macs == counted(network, inputs)
        assert cost.params == sum(one.numel() for one in network.parameters())


def test_a_pruned_network_can_be_kept(pruned, inputs, tmp_path):
    write_snapshot(pruned.model, tmp_path / "pruned.safetensors")
    kept, _ = read_snapshot(tmp_path / "pruned.safetensors")
    for one, other in zip(flat(pruned.model(*inputs)), flat(kept(*inputs)), strict=True):
        assert torch.equal(one, other)
