"""Optimizers as settings."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

    Args:
        learning_rate: Its peak, > 0.
        momentum: [0, 1).
        nesterov: Nesterov's form; needs a momentum above 0.
        weight_decay: ≥ 0; applied to weights, not to biases and normalisation.

    Raises:
        SettingError: A value is out of its range.

    Source:
        Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning".

    Example:
        >>> SGD(learning_rate=0.1).build(nn.Linear(2, 2)).defaults["lr"]
        0.1
    """

    learning_rate: float = 0.05
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        _check(self)
        if not 0 <= self.momentum < 1 or (self.nesterov and self.momentum == 0):
            raise SettingError(
                f"momentum is {self.momentum}", where="SGD", fix="choose a value in [0, 1), above 0 for nesterov"
            )

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return torch's SGD."""
        return torch.optim.SGD(
            parameter_groups(model, self.weight_decay),
            lr=self.learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamW(Optimizer):
    """Adam with decoupled weight decay.

    Args:
        learning_rate: Its peak, > 0.
        beta1: Decay of the gradient's mean, [0, 1).
        beta2: Decay of the squared gradient's mean, [0, 1).
        weight_decay: ≥ 0; applied to weights, not to biases and normalisation.

    Raises:
        SettingError: A value is out of its range.

    Source:
        Loshchilov and Hutter 2019, arXiv:1711.05101, Algorithm 2.

    Example:
        >>> AdamW(beta1=0.8).build(nn.Linear(2, 2)).defaults["betas"]
        (0.8, 0.999)
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.05

    def __post_init__(self) -> None:
        _check(self)
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise SettingError(
                f"beta1 is {self.beta1}, beta2 is {self.beta2}", where="AdamW", fix="choose values in [0, 1)"
            )

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return torch's AdamW."""
        groups = parameter_groups(model, self.weight_decay)
        return torch.optim.AdamW(groups, lr=self.learning_rate, betas=(self.beta1, self.beta2))


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


def _check(settings: Optimizer) -> None:
    where = type(settings).__name__
    if settings.learning_rate <= 0:
        raise SettingError(f"learning_rate is {settings.learning_rate}", where=where, fix="choose a value above 0")
    if settings.weight_decay < 0:
        raise SettingError(f"weight_decay is {settings.weight_decay}", where=where, fix="choose a value of at least 0")
