"""RepOptimizer: train a plain network as if its convolutions had branches, by multiplying gradients with constants."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.layers.scaled_branches import BranchScales, can_have_branches, gradient_mask
from lissome.training.optimizers.sgd import SGD


@dataclass(frozen=True, slots=True, kw_only=True)
class RepSGD(SGD):
    """Gradient descent for plain networks that follows the path of the network with parallel branches.

    A convolution stands for ``s ⊙ (W_k ∗ x) + t ⊙ (W_1 ∗ x) + d ⊙ x``, as RepVGG's blocks do, with constant scales s, t
    and a trained d. Descending on the branches moves their sum by the sum's own gradient times
    ``s² + t² [centre] + 1 [centre, own channel]``; so that is what gradients are multiplied by, and the branches need
    not exist. Momentum and weight decay are linear, so they agree as well. Applies to every convolution with an odd
    kernel of at least 3x3; the rest of the network follows plain SGD.

    Args:
        scales: Of which layers' would-be branches; for each layer the first that matches counts, and layers that none
            matches follow plain SGD. From a search: `scales_of` a trained `with_scaled_branches` network.
        learning_rate: Its peak, > 0.
        momentum: [0, 1).
        nesterov: Nesterov's form; needs a momentum above 0.
        weight_decay: ≥ 0; applied to weights, not to biases and normalisation.

    Raises:
        SettingError: A value is out of its range.

    Source:
        Ding et al. 2022, arXiv:2205.15242, Section 3 (gradient re-parameterisation, rule of iteration).

    Example:
        >>> settings = RepSGD(scales=(BranchScales(kernel=1.5, point=0.5),))
        >>> settings.build(nn.Conv2d(8, 8, 3, padding=1)).defaults["lr"]
        0.05
    """

    scales: tuple[BranchScales, ...] = (BranchScales(),)

    def __post_init__(self) -> None:
        SGD.__post_init__(self)  # a class with slots is made anew, so `super()` would look in the wrong one
        if not self.scales:
            raise SettingError("there are no scales", where="RepSGD", fix="give at least one BranchScales, or take SGD")

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return torch's SGD, which multiplies gradients just before each step.

        Raises:
            SettingError: No convolution matches, or one has another number of channels than its scales.
        """
        optimizer = SGD.build(self, model)
        masks = self._masks(model)

        def multiply(_: torch.optim.Optimizer, __: tuple[Any, ...], ___: Mapping[str, Any]) -> None:
            for weight, mask in masks:
                if weight.grad is not None:
                    weight.grad.mul_(mask)

        optimizer.register_step_pre_hook(multiply)
        return optimizer

    def _masks(self, model: nn.Module) -> list[tuple[Tensor, Tensor]]:
        masks = []
        for path, layer in model.named_modules():
            fitting = [one for one in self.scales if fnmatchcase(path, one.layer)]
            if fitting and can_have_branches(layer) and layer.weight.requires_grad:
                masks.append((layer.weight, gradient_mask(layer, fitting[0], where=path)))
        if not masks:
            raise SettingError(
                "no convolution of 3x3 or more matches the scales", where="RepSGD", fix="name one of them, or take SGD"
            )
        return masks
