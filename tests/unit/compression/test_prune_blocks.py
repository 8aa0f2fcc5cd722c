import numpy as np
import pytest
import torch
from torch import nn

import lissome as ls
from lissome.layers.basic_block import BasicBlock


@pytest.fixture(scope="module")
def task():
    generator = np.random.default_rng(0)
    labels = np.arange(90) % 3
    pixels = generator.integers(0, 60, (90, 8, 8, 3), dtype=np.uint8)
    pixels[np.arange(90), :, :, labels] += 120
    return ls.Task.from_arrays(pixels, labels, pixels[:12], labels[:12])


@pytest.fixture
def network():
    """Four blocks: the second adds nothing, the third nearly nothing."""
    torch.manual_seed(0)
    blocks = [BasicBlock(8, 8) for _ in range(4)]
    for block, scale in zip(blocks, (1.0, 0.0, 0.01, 1.0), strict=True):
        with torch.no_grad():
            block.conv2[0].weight.mul_(scale)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)]
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), *blocks, *head).eval()


@pytest.mark.parametrize("criterion", ["sensitivity", "least_squares"])
def test_the_blocks_that_matter_least_go_with_their_parameters(network, task, criterion):
    context = ls.Context(task)
    outcome = ls.PruneBlocks(keep=0.5, criterion=criterion, images=32).apply(network, context)
    names = {note.layer for note in outcome.notes if note.applied}
    if criterion == "least_squares":
        assert names == {"3", "4"}
    else:
        assert "3" in names or outcome.measurements["removed"][0]["cost"] <= 0
    assert len(names) == 2
    figures = outcome.measurements
    assert (figures["blocks_before"], figures["blocks"]) == (4, 2)
    lost = sum(one.numel() for one in network[3].parameters()) * 2
    assert figures["params_before"] - figures["params"] == lost
    assert sum(one.numel() for one in outcome.model.parameters()) == figures["params"]


def test_the_loss_noted_is_the_loss_of_the_network_handed_back(network, task):
    outcome = ls.PruneBlocks(count=2, images=64).apply(network, ls.Context(task))
    images, labels = next(iter(task.validation.batches(64)))
    with torch.no_grad():
        loss = float(nn.functional.cross_entropy(outcome.model(images), labels))
    assert outcome.measurements["removed"][-1]["loss"] == pytest.approx(loss, rel=1e-5)
    first, second = outcome.measurements["removed"]
    assert second["cost"] == pytest.approx(second["loss"] - first["loss"], abs=1e-6)


def test_greedy_takes_the_cheapest_block_first(network, task):
    step = ls.PruneBlocks(count=1, images=64)
    images, labels = next(iter(task.validation.batches(64)))
    losses = {}
    for number in range(2, 6):
        short = nn.Sequential(*(layer for place, layer in enumerate(network) if place != number))
        with torch.no_grad():
            losses[str(number)] = float(nn.functional.cross_entropy(short(images), labels))
    (removed,) = step.apply(network, ls.Context(task)).measurements["removed"]
    assert removed["name"] == min(losses, key=losses.get)
    assert removed["loss"] == pytest.approx(losses[removed["name"]], rel=1e-5)


def test_skipped_blocks_stay_and_say_so(network, task):
    outcome = ls.PruneBlocks(count=1, criterion="least_squares", skip=("3", "4")).apply(network, ls.Context(task))
    assert {note.layer for note in outcome.notes if note.applied} <= {"2", "5"}
    assert [note.reason for note in outcome.declined if note.layer == "3"] == ["stays: skipped"]


def test_it_reloads_and_exports(network, task, tmp_path):
    context = ls.Context(task)
    outcome = ls.PruneBlocks(count=2, criterion="least_squares", images=32).apply(network, context)
    with ls.RunDirectory(tmp_path / "run") as run:
        run.keep("key", outcome.model, outcome.to_dict())
        again, _ = run.recall("key")
    images, _ = next(iter(task.test.batches(4)))
    torch.testing.assert_close(again(images), outcome.model(images), rtol=0, atol=0)
    assert ls.export(outcome, tmp_path / "short.lissome", runtimes=["onnxruntime"]).card.params == sum(
        one.numel() for one in outcome.model.parameters()
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "wants either count or keep"),
        ({"count": 1, "keep": 0.5}, "wants either count or keep"),
        ({"count": 0}, "count is 0"),
        ({"keep": 1.0}, "keep is 1.0"),
        ({"count": 1, "images": 0}, "images is 0"),
        ({"count": 1, "objective": "luck"}, "objective is 'luck'"),
        ({"count": 1, "criterion": "luck"}, "criterion is 'luck'"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ls.SettingError, match=f"^PruneBlocks: {message}"):
        ls.PruneBlocks(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 5}, "5 blocks shall go and 4 can"),
        ({"keep": 0.01, "objective": "macs"}, r"keep is 0\.01 and 0\.\d\d stays without any block"),
        ({"count": 1, "skip": ("nothing*",)}, r"no block matches 'nothing\*'"),
    ],
)
def test_what_the_network_cannot_give_is_refused(network, task, settings, message):
    with pytest.raises(ls.SettingError, match=message):
        ls.PruneBlocks(**settings).apply(network, ls.Context(task))
