"""Every network of the catalog at half of its channels: it computes, learns, is counted rightly and can be kept."""

import pytest
import torch

import lissome as ls
from lissome.core.snapshot import read_snapshot, write_snapshot
from lissome.models.catalog import CATALOG


def half(name, score, form_for_tests):
    settings, shape = form_for_tests(name)
    model = ls.create(name, seed=0, **settings)
    images = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
    outcome = ls.PruneChannels(keep=0.5, score=score).apply(model, ls.Context(example=images))
    return model, images, outcome


@pytest.mark.parametrize("name", CATALOG)
def test_half_of_it_by_random_scores(name, form_for_tests, tmp_path):
    model, images, outcome = half(name, ls.scores.Random(), form_for_tests)
    pruned, figures = outcome.model, outcome.measurements
    with torch.no_grad():
        shape = model(images).shape
    output = pruned(images)
    assert output.shape == shape
    output.sum().backward()
    assert [path for path, one in pruned.named_parameters() if one.requires_grad and one.grad is None] == []
    assert figures["macs"] < 0.7 * figures["macs_before"]
    cost = ls.profile(pruned, images)
    assert (figures["params"], figures["macs"]) == (cost.params, cost.macs)
    write_snapshot(pruned, tmp_path / "pruned.safetensors")
    kept, _ = read_snapshot(tmp_path / "pruned.safetensors")
    weights = pruned.state_dict()
    assert all(torch.equal(weights[path], tensor) for path, tensor in kept.state_dict().items())
    # Where tensors lie in memory decides in which order they are added up.
    torch.testing.assert_close(kept(images), output, rtol=1e-5, atol=1e-5 * float(output.detach().abs().max()))


@pytest.mark.parametrize("name", CATALOG)
def test_half_of_it_by_the_size_of_weights(name, form_for_tests):
    model, images, outcome = half(name, ls.scores.L1(), form_for_tests)
    with torch.no_grad():
        assert outcome.model(images).shape == model(images).shape
    assert all(row["removed"] >= 0 for row in outcome.measurements["groups"])
    assert outcome.measurements["macs"] < 0.7 * outcome.measurements["macs_before"]
