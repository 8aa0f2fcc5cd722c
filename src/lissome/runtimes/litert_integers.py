"""A network that rounds, written in the operators that LiteRT's converter turns into its own integers.

Scales and zero points stay those that the network was judged with; 0 … 255 become -128 … 127, as LiteRT has no other.
"""

from typing import Any

import torch
import torch.ao.quantization.fx._decomposed
from torch import Tensor, fx, nn

from lissome.layers.fake_quantize import WEIGHT_LEVELS, FakeQuantize, QuantizedConv2d, QuantizedLinear, as_int8

_OPERATORS: Any = torch.ops.quantized_decomposed
_INT8 = torch.int8


def with_integer_operators(model: fx.GraphModule) -> fx.GraphModule:
    """Return the network with each rounding as a pair of operators, to integers and back; in place.

    Each reader of a rounded result makes floats of it for itself: the converter (0.10.0) forgets the shape of one that
    it has laid out anew for its first reader, and fails at the second.

    Example:
        >>> from lissome.core.module_graph import trace
        >>> ready = with_integer_operators(trace(nn.Sequential(FakeQuantize(scale=0.5, zero_point=2))))
        >>> ready(torch.tensor([-2.0, 0.6]))
        tensor([-1.0000,  0.5000])
    """
    as_int8(model)
    for path, layer in list(model.named_modules()):
        if isinstance(layer, FakeQuantize):
            model.set_submodule(path, _ToIntegers(layer))
            model.add_submodule(f"{path}_back", _ToFloats(layer))
        elif isinstance(layer, QuantizedConv2d | QuantizedLinear):
            model.set_submodule(path, _Multiplying(layer))
    for node in list(model.graph.nodes):
        if node.op == "call_module" and isinstance(model.get_submodule(node.target), _ToIntegers):
            for reader in list(node.users):
                with model.graph.inserting_before(reader):
                    reader.replace_input_with(node, model.graph.call_module(f"{node.target}_back", (node,)))
    model.recompile()
    return model


class _Rounding(nn.Module):
    def __init__(self, layer: FakeQuantize) -> None:
        super().__init__()
        shift = 128 if layer.low == 0 else 0
        ends = (layer.zero_point - shift, layer.low - shift, layer.high - shift)
        self._settings = (float(layer.scale), *(int(one) for one in ends), _INT8)


class _ToIntegers(_Rounding):
    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = _OPERATORS.quantize_per_tensor(x, *self._settings)
        return result


class _ToFloats(_Rounding):
    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = _OPERATORS.dequantize_per_tensor(x, *self._settings)
        return result


class _Multiplying(nn.Module):
    """A layer whose weights are rounded by operators, too; they stay float here, which the converter asks for."""

    def __init__(self, layer: QuantizedConv2d | QuantizedLinear) -> None:
        super().__init__()
        self._layer = layer
        self.register_buffer("zero", torch.zeros_like(layer.weight_scale, dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        scales = (self._layer.weight_scale, self.zero, 0, -WEIGHT_LEVELS, WEIGHT_LEVELS, _INT8)
        integers = _OPERATORS.quantize_per_channel(self._layer.weight, *scales)
        weight = _OPERATORS.dequantize_per_channel(integers, *scales)
        if isinstance(self._layer, QuantizedLinear):
            return nn.functional.linear(x, weight, self._layer.bias)
        result: Tensor = self._layer._conv_forward(x, weight, self._layer.bias)
        return result
