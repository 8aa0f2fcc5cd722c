"""What every optimizer is: settings that build one of torch's."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import nn

from lissome.core.errors import SettingError


class Optimizer(ABC):
    """Settings that make a torch optimizer for a model; subclasses are frozen dataclasses."""

    __slots__ = ()
    learning_rate: float
    weight_decay: float

    @abstractmethod
    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return the optimizer of the model's trainable parameters."""


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split the trainable parameters into those that decay and those that do not.

    Biases, normalisation and other parameters of one number a channel do not decay: a scale pulled towards 0 does not
    make the function simpler, since the next layer makes up for it.

    Source:
        He et al. 2019, arXiv:1812.01187, Section 3.1, "No bias decay".
    """
    trainable = [one for one in model.parameters() if one.requires_grad]
    decayed, plain = [one for one in trainable if one.ndim > 1], [one for one in trainable if one.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def check_rates(settings: Optimizer) -> None:
    """Refuse a learning rate or weight decay that is out of its range.

    Raises:
        SettingError: Says which.
    """
    where = type(settings).__name__
    if settings.learning_rate <= 0:
        raise SettingError(f"learning_rate is {settings.learning_rate}", where=where, fix="choose a value above 0")
    if settings.weight_decay < 0:
        raise SettingError(f"weight_decay is {settings.weight_decay}", where=where, fix="choose a value of at least 0")
