"""The integers of a quantized network as an engine wants them that knows no zero point: a step alone for each tensor.

An activation in [low, high] is then ``s clamp(round(x / s), -127, 127)`` with ``s = max(|low|, |high|) / 127``. Results
are float between the layers that multiply, so only the inputs of those are rounded.

An activation in [0, high], as ReLU gives it, would use half of these integers. It is stored upside down, as
``127 - x / s`` with ``s = high / 254``: the layer behind takes back the sign in its weights and the 127 in its bias.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from lissome.core.module_graph import trace
from lissome.layers.fake_quantize import (
    FakeQuantize,
    QuantizedConv2d,
    QuantizedLinear,
    rounded_weight,
    without_quantization,
)

LEVELS = 127
"""Integers are -127 … 127: without a zero point, a value and its negative are rounded alike."""

_KEEPING = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.Flatten, nn.MaxPool2d, nn.ChannelShuffle)


@dataclass(frozen=True, slots=True)
class IntegerLayer:
    """One call of a layer that multiplies integers.

    Args:
        call: Name of the call in the traced network.
        path: The layer's path in the network.
        weight: Its float weights.
        integers: Its weights as int8.
        weight_step: What 1 of these stands for, one an output channel.
        input_step: What 1 of the input's integers stands for.
        upside_down: The input's integers are ``127 - x / input_step``.
        groups: Groups of a convolution; 1 for a linear layer.

    Shape:
        weight, integers: (out, …). weight_step: (out,).
    """

    call: str
    path: str
    weight: Tensor
    integers: Tensor
    weight_step: Tensor
    input_step: float
    upside_down: bool
    groups: int


def integer_layers(graph: fx.GraphModule, *, by_group: bool = False) -> tuple[list[IntegerLayer], list[str]]:
    """Return the calls of quantized layers whose input is rounded to 8 bits, and the paths of the other such layers.

    Args:
        graph: A traced quantized network.
        by_group: Give the channels of one group of a grouped convolution the same step, the largest of theirs.
    """
    calls: list[tuple[fx.Node, QuantizedConv2d | QuantizedLinear, FakeQuantize | None]] = []
    for node in graph.graph.nodes:
        layer = graph.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(layer, QuantizedConv2d | QuantizedLinear):
            calls.append((node, layer, _quantizer(graph, node.args[0])))
    # One call in float keeps the layer's weights in float for all of its calls.
    others = dict.fromkeys(str(node.target) for node, _, quantizer in calls if quantizer is None)
    found = [
        _integer_layer(node, layer, quantizer, by_group=by_group)
        for node, layer, quantizer in calls
        if quantizer is not None and str(node.target) not in others
    ]
    return found, list(others)


def _integer_layer(
    node: fx.Node, layer: QuantizedConv2d | QuantizedLinear, quantizer: FakeQuantize, *, by_group: bool
) -> IntegerLayer:
    groups = layer.groups if isinstance(layer, QuantizedConv2d) else 1
    step = layer.weight_scale.detach()
    integers = rounded_weight(layer).detach() / _along_weight(step, layer.weight)
    if by_group and groups > 1:
        shared = step.reshape(groups, -1).amax(1, keepdim=True).expand(-1, len(step) // groups).reshape(-1)
        if not torch.equal(shared, step):
            step = shared.contiguous()
            integers = layer.weight.detach() / _along_weight(step, layer.weight)
    return IntegerLayer(
        call=node.name,
        path=str(node.target),
        weight=layer.weight.detach(),
        integers=integers.round().clamp(-LEVELS, LEVELS).to(torch.int8),
        weight_step=step,
        input_step=symmetric_step(quantizer),
        upside_down=quantizer.zero_point == quantizer.low,
        groups=groups,
    )


def _along_weight(step: Tensor, weight: Tensor) -> Tensor:
    return step.reshape(-1, *(1,) * (weight.dim() - 1))


def symmetric_step(quantizer: FakeQuantize) -> float:
    """Return the step of integers in ±127 that hold all a quantizer's range holds, one from 0 on upside down.

    Example:
        >>> symmetric_step(FakeQuantize(scale=0.5, zero_point=1, low=0, high=255))
        1.0
        >>> symmetric_step(FakeQuantize(scale=254.0, zero_point=0, low=0, high=255))
        255.0
    """
    if quantizer.zero_point == quantizer.low:
        return quantizer.scale * (quantizer.high - quantizer.low) / (2 * LEVELS)
    ends = (quantizer.low - quantizer.zero_point, quantizer.high - quantizer.zero_point)
    return quantizer.scale * max(map(abs, ends)) / LEVELS


def symmetric_reference(model: nn.Module, inputs: tuple[Tensor, ...], layers: Sequence[IntegerLayer]) -> fx.GraphModule:
    """Return the network that rounds the inputs and weights of these calls alone; the others compute in float.

    Args:
        model: The quantized network, left as it was.
        inputs: Example inputs.
        layers: Calls, as `integer_layers` found them.
    """
    graph = trace(without_quantization(model), inputs)
    wanted: Mapping[str, IntegerLayer] = {one.call: one for one in layers}
    for node in list(graph.graph.nodes):
        one = wanted.get(node.name)
        if one is None:
            continue
        name = f"symmetric_quantizer_{one.call}"
        graph.add_module(name, FakeQuantize(one.input_step, -LEVELS * one.upside_down, -LEVELS, LEVELS))
        with graph.graph.inserting_before(node):
            rounded = graph.graph.call_module(name, (node.args[0],))
        node.replace_input_with(node.args[0], rounded)
        layer = graph.get_submodule(one.path)
        layer.weight = nn.Parameter(one.integers * _along_weight(one.weight_step, one.weight), requires_grad=False)
    graph.graph.lint()
    graph.recompile()
    return graph


def _quantizer(graph: fx.GraphModule, node: object) -> FakeQuantize | None:
    """Return the quantizer whose integers a node hands on."""
    while isinstance(node, fx.Node) and node.op == "call_module":
        layer = graph.get_submodule(str(node.target))
        if isinstance(layer, FakeQuantize):
            return layer if layer.high - layer.low <= 255 else None
        if not isinstance(layer, _KEEPING):
            return None
        node = node.args[0]
    return None
