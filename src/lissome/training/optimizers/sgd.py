"""Stochastic gradient descent."""

from dataclasses import dataclass

import torch
from torch import nn

from lissome.core.errors import SettingError
from lissome.training.optimizers.optimizer import Optimizer, check_rates, parameter_groups


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
        check_rates(self)
        if not 0 <= self.momentum < 1 or (self.nesterov and self.momentum == 0):
            raise SettingError(
                f"momentum is {self.momentum}",
                where=type(self).__name__,
                fix="choose a value in [0, 1), above 0 for nesterov",
            )

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return torch's SGD."""
        return torch.optim.SGD(
            parameter_groups(model, self.weight_decay),
            lr=self.learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
        )
