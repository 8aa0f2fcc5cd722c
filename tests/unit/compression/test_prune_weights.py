from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lissome.compression.sparsity.pattern import parse_pattern
from lissome.compression.sparsity.prune_weights import PruneWeights
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.run_directory import RunDirectory
from lissome.data.task import Task
from lissome.training.train import Train

IMAGES = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3), dtype=np.uint8)
TASK = Task.from_arrays(IMAGES, np.arange(64) % 2, IMAGES[:8], np.arange(8) % 2)
CONTEXT = Context(example=torch.zeros(1, 3, 8, 8))


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1),
            nn.Conv2d(16, 16, 3, padding=1, groups=16),
            nn.Conv2d(16, 32, 1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 16, 3, groups=2),
            nn.ConvTranspose2d(16, 16, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 2),
        ).eval()


def test_the_smallest_weights_are_zero_and_the_others_as_they_were() -> None:
    model = network()
    pruned = PruneWeights(sparsity=0.75).apply(model, CONTEXT).model
    for place in (2, 5):
        before, after = model[place].weight, pruned[place].weight
        assert int((after == 0).sum()) == round(0.75 * before.numel())
        assert torch.equal(after[after != 0], before[after != 0])
        assert before[after == 0].abs().max() <= after[after != 0].abs().min()
        assert not torch.signbit(after[after == 0]).any()  # -0.0 would not be stored as a zero


def test_one_threshold_for_the_whole_network() -> None:
    model = network()
    with torch.no_grad():
        model[2].weight *= 10
    outcome = PruneWeights(sparsity=0.5, scope="global").apply(model, CONTEXT)
    shares = outcome.measurements["layers"]
    sizes = {path: model.get_submodule(path).weight.numel() for path in shares}
    assert shares["2"] < 0.2 < 0.6 < shares["5"]
    assert sum(shares[path] * size for path, size in sizes.items()) == pytest.approx(0.5 * sum(sizes.values()))


def test_no_layer_is_emptied() -> None:
    model = network()
    with torch.no_grad():
        model[2].weight *= 1e-6
    outcome = PruneWeights(sparsity=0.9, scope="global").apply(model, CONTEXT)
    assert int((outcome.model[2].weight != 0).sum()) == 1


def test_two_of_four_input_channels_stay_in_every_filter_and_position() -> None:
    model = network()
    pruned = PruneWeights(pattern="2:4").apply(model, CONTEXT).model
    for place in (2, 5):
        before, after = model[place].weight.detach(), pruned[place].weight.detach()
        groups = after.movedim(1, -1).reshape(*after.shape[:1], *after.shape[2:], -1, 4)
        assert ((groups != 0).sum(dim=-1) == 2).all()
        largest = before.movedim(1, -1).reshape(groups.shape).abs().sort(dim=-1).values[..., 2:]
        assert torch.equal(groups.abs().sort(dim=-1).values[..., 2:], largest)


@pytest.mark.parametrize(("pattern", "rows", "columns"), [("4x1", 4, 1), ("1x4", 1, 4), ("16x1", 16, 1), ("2x8", 2, 8)])
def test_blocks_are_zero_together_and_the_smallest_go(pattern: str, rows: int, columns: int) -> None:
    model = network()
    pruned = PruneWeights(sparsity=0.5, pattern=pattern).apply(model, CONTEXT).model
    for place in (2, 5):
        before, after = model[place].weight.detach(), pruned[place].weight.detach()
        out, read = after.shape[:2]
        for position in np.ndindex(*after.shape[2:]):
            part, full = after[(..., *position)], before[(..., *position)]
            blocks = part.reshape(out // rows, rows, read // columns, columns).movedim(1, 2).flatten(2)
            zeros = (blocks == 0).sum(dim=-1)
            assert set(zeros.flatten().tolist()) <= {0, rows * columns}
            assert torch.equal(part[part != 0], full[part != 0])
        assert float((after == 0).float().mean()) == pytest.approx(0.5, abs=0.02)


def test_what_stays_whole_is_said() -> None:
    outcome = PruneWeights(sparsity=0.5, pattern="16x1", skip=("2",)).apply(network(), CONTEXT)
    assert [str(one) for one in outcome.declined] == [
        "declined 0: stays whole: the first layer",
        "declined 1: stays whole: depthwise, a handful of weights a channel",
        "declined 2: stays whole: skipped",
        "declined 6: stays whole: transposed convolutions are left alone",
        "declined 9: stays whole: the last layer",
    ]
    outcome = PruneWeights(pattern="1:3", ends=True).apply(network(), CONTEXT)
    assert "declined 2: stays whole: 32 x 16 channels do not divide into 1 x 3" in map(str, outcome.declined)
    assert outcome.notes[0].layer == "0" and outcome.notes[0].reason == "288 of 432 weights are zero"


def test_shared_weights_are_pruned_once() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8))
    model[2].weight = model[1].weight
    outcome = PruneWeights(sparsity=0.5).apply(model, Context(example=torch.zeros(1, 8)))
    assert int((outcome.model[1].weight == 0).sum()) == 32
    assert "declined 2: stays whole: its weights are those of another layer" in map(str, outcome.declined)


GRADUAL = PruneWeights(sparsity=0.8, rounds=3, between=Train(epochs=1, batch_size=16, precision="float32", keep="last"))


def test_rounds_follow_the_cubic_and_training_keeps_the_zeros() -> None:
    outcome = GRADUAL.apply(network(), Context(TASK))
    assert [one.step for one in outcome.parts] == ["PruneWeights", "Train"] * 3
    shares = [one.measurements["layers"]["2"] for one in outcome.parts[::2]]
    expected = [0.8 * (1 - (1 - t / 3) ** 3) for t in (1, 2, 3)]
    assert shares == pytest.approx(expected, abs=0.002)
    assert float((outcome.model[2].weight == 0).float().mean()) == shares[-1]
    first, last = outcome.parts[1].model[2].weight, outcome.model[2].weight
    assert (last[first == 0] == 0).all()
    assert outcome.measurements["layers"]["2"] == shares[-1]


def test_it_goes_on_from_its_last_round(tmp_path, monkeypatch) -> None:
    trained = []
    original = Train.change

    def watched(self, model, context):
        trained.append(1)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return original(self, model, context)

    monkeypatch.setattr(Train, "change", watched)
    with RunDirectory(tmp_path) as run:
        with pytest.raises(KeyboardInterrupt):
            GRADUAL.apply(network(), Context(TASK, memory=run))
        GRADUAL.apply(network(), Context(TASK, memory=run))
    assert len(trained) == 4


def test_it_says_what_it_needs() -> None:
    assert PruneWeights(sparsity=0.5).requires() == (Need.EXAMPLE,)
    assert GRADUAL.requires() == (Need.EXAMPLE, Need.TASK)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "sparsity is None"),
        ({"sparsity": 1.0}, "sparsity is 1.0"),
        ({"sparsity": 0.5, "pattern": "2:4"}, "2:4 says the share itself"),
        ({"pattern": "2:4", "rounds": 2}, "2:4 says the share itself"),
        ({"pattern": "4:2"}, "pattern is '4:2'"),
        ({"sparsity": 0.5, "pattern": "0x4"}, "pattern is '0x4'"),
        ({"sparsity": 0.5, "pattern": "blocks"}, "pattern is 'blocks'"),
        ({"sparsity": 0.5, "rounds": 2}, "rounds is 2"),
        ({"sparsity": 0.5, "rounds": 0}, "rounds is 0"),
        ({"sparsity": 0.5, "scope": "layer"}, "scope is 'layer'"),
    ],
)
def test_settings_that_cannot_be_honoured_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=f"PruneWeights: {message}"):
        PruneWeights(**settings)


def test_a_skip_that_matches_nothing_and_a_network_with_nothing_to_prune_are_refused() -> None:
    with pytest.raises(SettingError, match="no layer matches 'head'"):
        PruneWeights(sparsity=0.5, skip=("head",)).apply(network(), CONTEXT)
    with pytest.raises(SettingError, match="no layer can be pruned"):
        PruneWeights(sparsity=0.5).apply(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)), CONTEXT)


def test_a_pattern_that_does_not_fit_says_so() -> None:
    assert parse_pattern("4x2").obstacle(torch.zeros(6, 4)) == "6 x 4 channels do not divide into 4 x 2"
    assert replace(GRADUAL, rounds=1).steps()[0] == PruneWeights(sparsity=0.8)
