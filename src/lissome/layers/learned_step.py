"""An activation quantizer whose step is learned."""

import math

import torch
from torch import Tensor, nn

from lissome.core.module_graph import LeafModule
from lissome.layers.fake_quantize import FakeQuantize


class LearnedStep(LeafModule):
    """Rounds as `FakeQuantize` does, with the scale a parameter that training moves.

    The gradient of the scale is that of the rounded value by its step, times ``1 / sqrt(n · high)`` so that it moves as
    slowly as the weights.

    Args:
        scale: Where it starts, > 0.
        zero_point: The integer that stands for 0.
        low: Least integer.
        high: Greatest integer.

    Shape:
        Any; kept.

    Source:
        Esser et al. 2020, arXiv:1902.08153, equations 3 and section 2.2.

    Example:
        >>> layer = LearnedStep(0.5, 0)
        >>> layer(torch.tensor([0.6])).sum().backward()
        >>> layer.step.grad is not None
        True
    """

    def __init__(self, scale: float, zero_point: int, low: int = 0, high: int = 255) -> None:
        super().__init__()
        self.step = nn.Parameter(torch.tensor([scale]))
        self.zero_point, self.low, self.high = zero_point, low, high

    def forward(self, x: Tensor) -> Tensor:
        """Round and restore."""
        slow = 1 / math.sqrt(x.numel() / len(x) * self.high)
        step = self.step.abs().clamp_min(1e-8)
        step = (step - step * slow).detach() + step * slow
        scaled = (x / step).clamp(self.low - self.zero_point, self.high - self.zero_point)
        rounded = (scaled.round() - scaled).detach() + scaled
        return rounded * step

    @classmethod
    def of(cls, layer: FakeQuantize) -> "LearnedStep":
        """Return a layer that starts where this one is."""
        return cls(layer.scale, layer.zero_point, layer.low, layer.high)

    def fixed(self) -> FakeQuantize:
        """Return what was learned as a layer that engines know."""
        return FakeQuantize(max(abs(float(self.step.detach())), 1e-8), self.zero_point, self.low, self.high)
