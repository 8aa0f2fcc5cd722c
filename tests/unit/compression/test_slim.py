from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lissome.compression.pruning.slim import Slim
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.run_directory import RunDirectory
from lissome.core.settings import fingerprint
from lissome.data.task import Task
from lissome.training.optimizers import SGD
from lissome.training.regularizers import L1OnBatchNormScale
from lissome.training.train import Train

IMAGES = np.random.default_rng(0).integers(0, 256, (96, 8, 8, 3), dtype=np.uint8)
LABELS = np.arange(96) % 2
IMAGES[LABELS == 0] //= 2
TASK = Task.from_arrays(IMAGES, LABELS, IMAGES[:8], LABELS[:8])
SHORT = Train(epochs=1, batch_size=32, precision="float32", keep="last", optimizer=SGD(learning_rate=0.05))
SLIM = Slim(fraction=0.5, multiple_of=1, strength=0.01, train=SHORT, tune=SHORT)


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 16, 3, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 2),
        ).eval()


def widths(model: nn.Module) -> list[int]:
    return [one.out_channels for one in model.modules() if isinstance(one, nn.Conv2d)]


def test_one_pass_removes_the_channels_of_the_smallest_scales_wherever_they_are() -> None:
    model = network()
    with torch.no_grad():
        model[1].weight[:4] = 1e-4  # 4 of the first layer, 12 of the second: half of all
        model[4].weight[:12] = 1e-4
    still = replace(SHORT, optimizer=SGD(learning_rate=1e-9))
    outcome = replace(SLIM, train=still, tune=still).apply(model, Context(TASK))
    assert widths(outcome.model) == [12, 4]
    torch.testing.assert_close(outcome.model[3].weight, model[3].weight[12:, 4:], rtol=0, atol=1e-5)


def test_several_passes_leave_half_of_every_layer_each_and_say_what_each_did() -> None:
    model = network()
    with torch.no_grad():
        model[1].weight[:] = 1e-4
    outcome = replace(SLIM, passes=2).apply(model, Context(TASK))
    assert widths(outcome.model)[0] == 4
    passes = outcome.measurements["passes"]
    assert [one["pass"] for one in passes] == [1, 2]
    assert passes[0]["params"] > passes[1]["params"] == sum(one.numel() for one in outcome.model.parameters())
    assert outcome.measurements["params_before"] == sum(one.numel() for one in model.parameters())
    assert passes[1]["val_tuned"] == outcome.parts[-1].measurements["val_metric"]
    assert [one.step for one in outcome.walk()] == ["Train", "PruneChannels", "Train"] * 2


def test_it_goes_on_from_the_inner_step_it_was_interrupted_in(tmp_path, monkeypatch) -> None:
    whole = SLIM.apply(network(), Context(TASK, memory=None))
    trained = []
    original = Train.change

    def watched(self, model, context):
        trained.append(self.regularizer)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return original(self, model, context)

    monkeypatch.setattr(Train, "change", watched)
    with RunDirectory(tmp_path) as run:
        with pytest.raises(KeyboardInterrupt):
            SLIM.apply(network(), Context(TASK, memory=run))
        outcome = SLIM.apply(network(), Context(TASK, memory=run))
    assert trained == [L1OnBatchNormScale(strength=0.01), None, None]
    state, expected = outcome.model.state_dict(), whole.model.state_dict()
    assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_only_scales_of_channels_that_can_go_are_pulled_on() -> None:
    model = nn.Sequential(*network()[:6], nn.Conv2d(16, 2, 1), nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    outcome = SLIM.apply(model.eval(), Context(TASK))
    assert outcome.parts[0].settings["regularizer"]["only"] == ["1", "4"]
    assert "only" not in SLIM.apply(network(), Context(TASK)).parts[0].settings["regularizer"]


def test_scales_start_anew_in_the_first_pass_only() -> None:
    steps = replace(SLIM, passes=2, start=0.5, fraction=0.4).steps(())
    assert [steps[0].regularizer.start, steps[3].regularizer.start] == [0.5, None]


def test_the_teacher_may_be_the_network_itself() -> None:
    step = replace(SLIM, tune=replace(SHORT, teacher="original"))
    assert step.requires() == (Need.EXAMPLE, Need.TASK)
    assert fingerprint(step.apply(network(), Context(TASK)).model) != fingerprint(
        SLIM.apply(network(), Context(TASK)).model
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fraction": 1.0}, "fraction is 1.0"),
        ({"passes": 0}, "passes is 0"),
        ({"strength": -1.0}, "strength is -1.0"),
        ({"start": 0.0}, "start is 0.0"),
        ({"multiple_of": 0}, "multiple_of is 0"),
        ({"fraction": 0.7, "passes": 3}, "0.7 of all cannot go while 0.5 of every layer stays"),
        ({"train": replace(SHORT, regularizer=L1OnBatchNormScale())}, "train has a regularizer"),
    ],
)
def test_settings_that_cannot_be_honoured_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        replace(SLIM, **settings)


def test_a_network_without_scales_is_refused() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    with pytest.raises(SettingError, match="no channel that can be pruned has a batch normalisation scale"):
        SLIM.apply(model.eval(), Context(TASK))
