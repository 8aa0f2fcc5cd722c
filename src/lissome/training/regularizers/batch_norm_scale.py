"""Network slimming's penalty: the sum of all batch normalisation scales."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.training.regularizers.regularizer import Penalty, Regularizer, chosen_layers

BATCH_NORMS = (nn.BatchNorm2d, nn.BatchNorm1d, nn.BatchNorm3d)


@dataclass(frozen=True, slots=True, kw_only=True)
class L1OnBatchNormScale(Regularizer):
    """Add ``strength · Σ |γ|`` to the loss, by its sub-gradient ``strength · sign(γ)``.

    A scale that the loss does not hold up falls to zero, and its channel can be pruned. How far it can fall is the sum
    over all steps of learning rate · strength / (1 - momentum), so a short training needs a larger strength.

    Args:
        strength: λ, ≥ 0; 0 only watches the scales. The paper takes 1e-4 for VGG, 1e-5 for ResNet and DenseNet.
        start: What the scales are set to before the first step, > 0: 0.5 in the paper. None leaves them as they are;
            set it when training from scratch only.
        only: Patterns of layer paths (``"stages.*.norm1"``); none takes every batch normalisation. `Slim` gives those
            whose channels can be pruned.

    Raises:
        SettingError: A value is out of its range, the network has no batch normalisation, or a pattern matches none.

    Source:
        Liu et al. 2017, Learning Efficient Convolutional Networks through Network Slimming, arXiv:1708.06519,
        equation 1 and section 4.1.

    Example:
        >>> norm = nn.BatchNorm2d(2)
        >>> norm.weight.grad = torch.zeros(2)
        >>> L1OnBatchNormScale(strength=0.25, start=0.5).build(norm).add_gradient()
        >>> norm.weight.grad.tolist(), norm.weight.tolist()
        ([0.25, 0.25], [0.5, 0.5])
    """

    strength: float = 1e-4
    start: float | None = None
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.strength < 0:
            raise SettingError(f"strength is {self.strength}", where="L1OnBatchNormScale", fix="choose 0 or more")
        if self.start is not None and self.start <= 0:
            raise SettingError(f"start is {self.start}", where="L1OnBatchNormScale", fix="choose a value above 0")

    def build(self, model: nn.Module) -> Penalty:
        """Return the penalty; the scales are set to `start`, if there is one."""
        layers = chosen_layers(model, BATCH_NORMS, self.only, "L1OnBatchNormScale")
        scales = [one.weight for one in layers if isinstance(one.weight, nn.Parameter)]
        if self.start is not None:
            for scale in scales:
                nn.init.constant_(scale, self.start)
        return _ScalePenalty(scales, self.strength)


class _ScalePenalty(Penalty):
    def __init__(self, scales: list[nn.Parameter], strength: float) -> None:
        self._scales, self._strength = scales, strength

    def add_gradient(self) -> None:
        if not self._strength:
            return
        for scale in self._scales:
            if scale.grad is not None:
                scale.grad.add_(scale.detach().sign(), alpha=self._strength)

    def magnitudes(self) -> Tensor:
        return torch.cat([one.detach().abs() for one in self._scales])
