"""Layers that compute with the rounding of integers, in float, so that a network can be judged and exported.

A tensor x becomes ``s (clamp(round(x / s) + z, low, high) - z)``: what an integer engine computes with.
"""

import copy
import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.core.module_graph import LeafModule

WEIGHT_LEVELS = 127
"""int8 weights use -127 … 127, so that a weight and its negative are rounded alike."""


def _with_levels(layer: type[nn.Module]) -> inspect.Signature:
    """Return a layer's constructor with one more setting; snapshots read the settings from it."""
    plain = inspect.signature(layer)
    levels = inspect.Parameter("levels", inspect.Parameter.KEYWORD_ONLY, default=WEIGHT_LEVELS)
    return plain.replace(parameters=[*plain.parameters.values(), levels])


class FakeQuantize(LeafModule):
    """Rounds an activation to 8-bit integers and back.

    Args:
        scale: Step between two neighbouring values, > 0.
        zero_point: The integer that stands for 0, in [low, high].
        low: Least integer: 0 (uint8) or -128 (int8).
        high: Greatest integer: 255 or 127.

    Shape:
        Any; kept.

    Source:
        Jacob et al. 2018, arXiv:1712.05877, equation 1.

    Example:
        >>> FakeQuantize(scale=0.5, zero_point=0, low=0, high=255)(torch.tensor([-1.0, 0.6]))
        tensor([0.0000, 0.5000])
    """

    def __init__(self, scale: float, zero_point: int, low: int = 0, high: int = 255) -> None:
        super().__init__()
        self.scale, self.zero_point, self.low, self.high = scale, zero_point, low, high

    def forward(self, x: Tensor) -> Tensor:
        """Round and restore."""
        if x.is_meta:  # only shapes are asked for, and torch has no meta kernel for the rounding
            return x
        return torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero_point, self.low, self.high)

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"scale={self.scale:.6g}, zero_point={self.zero_point}, range=[{self.low}, {self.high}]"


class QuantizedConv2d(nn.Conv2d, LeafModule):
    """A convolution whose weights are rounded to integers with one scale an output channel; `weight` stays float.

    Takes the settings of `torch.nn.Conv2d`, and `levels`, the greatest integer: 127 for 8 bits, 7 for 4; the
    buffer `weight_scale` has shape (out_channels,).
    """

    __signature__ = _with_levels(nn.Conv2d)
    weight_scale: Tensor

    def __init__(self, *args: Any, levels: int = WEIGHT_LEVELS, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.levels = levels
        self.register_buffer("weight_scale", torch.ones(self.out_channels))

    def forward(self, input: Tensor) -> Tensor:
        """Convolve with rounded weights."""
        result: Tensor = self._conv_forward(input, rounded_weight(self), self.bias)
        return result


class QuantizedLinear(nn.Linear, LeafModule):
    """A linear layer whose weights are rounded to integers with one scale an output feature; `weight` stays float.

    Takes the settings of `torch.nn.Linear`, and `levels`, the greatest integer; the
    buffer `weight_scale` has shape (out_features,).
    """

    __signature__ = _with_levels(nn.Linear)
    weight_scale: Tensor

    def __init__(self, *args: Any, levels: int = WEIGHT_LEVELS, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.levels = levels
        self.register_buffer("weight_scale", torch.ones(self.out_features))

    def forward(self, input: Tensor) -> Tensor:
        """Multiply with rounded weights."""
        return functional.linear(input, rounded_weight(self), self.bias)


def rounded_weight(layer: QuantizedConv2d | QuantizedLinear) -> Tensor:
    """Return the weights as an integer engine sees them."""
    scale = layer.weight_scale
    if layer.weight.is_meta:
        return layer.weight
    zero = torch.zeros_like(scale, dtype=torch.int32)
    # int8 keeps -128, which a weight meets only if training carried it there: the range torch can write as ONNX.
    low = -layer.levels - 1 if layer.levels == WEIGHT_LEVELS else -layer.levels
    return torch.fake_quantize_per_channel_affine(layer.weight, scale, zero, 0, low, layer.levels)


def as_int8(model: nn.Module) -> nn.Module:
    """Return the model with layers of fewer bits as int8 layers that hold the same integers, for engines; in place.

    Example:
        >>> layer = with_rounded_weights(nn.Linear(1, 1), torch.tensor([0.5]), 7)
        >>> before = layer(torch.ones(1, 1))
        >>> bool((as_int8(layer)(torch.ones(1, 1)) == before).all()), layer.levels
        (True, 127)
    """
    for layer in model.modules():
        if isinstance(layer, QuantizedConv2d | QuantizedLinear) and layer.levels < WEIGHT_LEVELS:
            layer.weight = nn.Parameter(rounded_weight(layer).detach(), requires_grad=layer.weight.requires_grad)
            layer.levels = WEIGHT_LEVELS
    return model


def with_rounded_weights(
    layer: nn.Conv2d | nn.Linear, weight_scale: Tensor, levels: int = WEIGHT_LEVELS
) -> QuantizedConv2d | QuantizedLinear:
    """Return a layer that shares the parameters of this one and rounds its weights to integers in ±levels.

    Shape:
        weight_scale: (out_channels,) or (out_features,), > 0.

    Example:
        >>> layer = nn.Linear(1, 1, bias=False)
        >>> _ = layer.weight.data.fill_(0.9)
        >>> with_rounded_weights(layer, torch.tensor([0.5]))(torch.ones(1, 1)).item()
        1.0
    """
    taken: Any = copy.copy(layer)
    taken.__class__ = QuantizedConv2d if isinstance(layer, nn.Conv2d) else QuantizedLinear
    taken._buffers = {**layer._buffers}
    taken.register_buffer("weight_scale", weight_scale)
    taken.levels = levels
    result: QuantizedConv2d | QuantizedLinear = taken
    return result


def without_quantization(model: nn.Module) -> nn.Module:
    """Return a copy of the model that computes in float again: the weights are the ones from before rounding.

    Example:
        >>> without_quantization(nn.Sequential(FakeQuantize(0.5, 0)))
        Sequential( (0): Identity() )
    """
    plain = copy.deepcopy(model)
    for name, layer in list(plain.named_modules()):
        owner = plain.get_submodule(name.rpartition(".")[0])
        if isinstance(layer, FakeQuantize):
            setattr(owner, name.rpartition(".")[2], nn.Identity())
        elif isinstance(layer, QuantizedConv2d | QuantizedLinear):
            del layer.weight_scale, layer.levels
            # Rounding lives in the class alone, so giving the layer its plain class back undoes it.
            restored: Any = layer
            restored.__class__ = nn.Conv2d if isinstance(layer, QuantizedConv2d) else nn.Linear
    return plain


def is_quantized(model: nn.Module) -> bool:
    """Tell whether any layer rounds."""
    return any(isinstance(one, FakeQuantize | QuantizedConv2d | QuantizedLinear) for one in model.modules())
