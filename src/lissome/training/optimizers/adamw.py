"""Adam with decoupled weight decay."""

from dataclasses import dataclass

import torch
from torch import nn

from lissome.core.errors import SettingError
from lissome.training.optimizers.optimizer import Optimizer, check_rates, parameter_groups


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
        check_rates(self)
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise SettingError(
                f"beta1 is {self.beta1}, beta2 is {self.beta2}", where="AdamW", fix="choose values in [0, 1)"
            )

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return torch's AdamW."""
        groups = parameter_groups(model, self.weight_decay)
        return torch.optim.AdamW(groups, lr=self.learning_rate, betas=(self.beta1, self.beta2))
