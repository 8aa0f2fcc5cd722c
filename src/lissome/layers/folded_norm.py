"""What is left of a batch normalisation that was folded into the layer before it."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lissome.core.module_graph import LeafModule


class FoldedNorm(nn.Identity, LeafModule):
    """Passes everything, and knows what the normalisation knew: the mean and the deviation of each channel.

    They are those of the moment of folding: who scales or shifts the channels changes them too, and training further
    makes them stale.

    Args:
        channels: Channels that pass, ≥ 1. The buffers `mean` and `deviation` have shape (channels,).

    Shape:
        (N, channels, …); kept.

    Example:
        >>> FoldedNorm(3)(torch.ones(1, 3)), FoldedNorm(3).deviation
        (tensor([[1., 1., 1.]]), tensor([1., 1., 1.]))
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))

    @classmethod
    def of(cls, norm: _BatchNorm) -> "FoldedNorm":
        """Return what remembers the outputs of a normalisation with running statistics."""
        made = cls(norm.num_features)
        made.mean, made.deviation = normalized_moments(norm)
        return made

    def extra_repr(self) -> str:
        """Show the setting."""
        return str(self.channels)


def normalized_moments(norm: _BatchNorm) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of what a normalisation with running statistics gives: ``β``, ``|γ| σ / sqrt(σ² + ε)``.

    Shape:
        Returns (channels,) twice.

    Example:
        >>> mean, deviation = normalized_moments(nn.BatchNorm2d(2, eps=0.0))
        >>> mean, deviation
        (tensor([0., 0.]), tensor([1., 1.]))
    """
    assert norm.running_var is not None
    variance = norm.running_var.detach()
    shrunk = (variance / (variance + norm.eps)).sqrt()
    if not norm.affine:
        return torch.zeros_like(shrunk), shrunk
    return norm.bias.detach().clone(), norm.weight.detach().abs() * shrunk
