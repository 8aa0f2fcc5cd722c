import pytest
import torch
from torch import nn

from lissome.core.errors import SettingError
from lissome.training.optimizers import SGD, AdamW, parameter_groups


def test_norms_and_biases_do_not_decay_and_frozen_parameters_are_left_out() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.PReLU(4), nn.Linear(4, 2))
    model[3].weight.requires_grad_(False)
    decayed, plain = parameter_groups(model, 0.1)
    assert [id(one) for one in decayed["params"]] == [id(model[0].weight)]
    assert decayed["weight_decay"] == 0.1 and plain["weight_decay"] == 0
    rest = [model[0].bias, model[1].weight, model[1].bias, model[2].weight, model[3].bias]
    assert [id(one) for one in plain["params"]] == [id(one) for one in rest]


def test_settings_reach_torch() -> None:
    model = nn.Linear(2, 2)
    sgd = SGD(learning_rate=0.3, momentum=0.5, nesterov=False, weight_decay=0.1).build(model)
    assert isinstance(sgd, torch.optim.SGD)
    names = ("lr", "momentum", "nesterov", "weight_decay")
    assert [sgd.param_groups[0][name] for name in names] == [0.3, 0.5, False, 0.1]
    adamw = AdamW(learning_rate=0.3, beta1=0.5, beta2=0.6, weight_decay=0.2).build(model)
    assert isinstance(adamw, torch.optim.AdamW)
    assert [adamw.param_groups[0][name] for name in ("lr", "betas", "weight_decay")] == [0.3, (0.5, 0.6), 0.2]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (SGD, {"learning_rate": 0.0}),
        (SGD, {"weight_decay": -0.1}),
        (SGD, {"momentum": 1.0}),
        (SGD, {"momentum": 0.0}),
        (AdamW, {"learning_rate": -1.0}),
        (AdamW, {"beta1": 1.0}),
        (AdamW, {"beta2": -0.1}),
    ],
)
def test_values_out_of_range_are_refused(kind: type[SGD] | type[AdamW], settings: dict[str, float]) -> None:
    with pytest.raises(SettingError, match=f"{kind.__name__}: .*{next(iter(settings))} is"):
        kind(**settings)


def test_momentum_may_be_zero_without_nesterov() -> None:
    assert SGD(momentum=0.0, nesterov=False).momentum == 0
