"""Which layers of a network that rounds LiteRT computes in float all the same."""

from pathlib import Path

from torch import Tensor, fx, nn

from lissome.core.module_graph import trace
from lissome.layers.fake_quantize import FakeQuantize, QuantizedConv2d, QuantizedLinear
from lissome.profiling.handlers import operator_of
from lissome.runtimes.litert import LiteRt
from lissome.tracing.calls import operator_name

_CLIPS = ("relu", "relu_", "relu6", "identity", "dropout")


def float_layers_note(model: nn.Module, inputs: tuple[Tensor, ...], folder: Path) -> str:
    """Return what a reader of a converted file must know; "" where every rounded layer multiplies integers.

    Args:
        model: The network that rounds.
        inputs: Example inputs (1, …).
        folder: Where the file lies.
    """
    graph = trace(model, inputs)
    left = multiplied_in_float(graph)
    rounded = sum(isinstance(one, QuantizedConv2d | QuantizedLinear) for one in graph.modules())
    more = rounded - len(left) - LiteRt().integer_layers(folder)
    notes = [f"float in litert: {', '.join(left)}"] if left else []
    notes += [f"{more} more of {rounded} rounded layers are float in litert"] if more > 0 else []
    return "; ".join(notes)


def multiplied_in_float(model: fx.GraphModule) -> tuple[str, ...]:
    """Return the paths of rounded layers that nothing rounds behind: LiteRT gives integers only for integers.

    Args:
        model: A traced network that rounds.

    Example:
        >>> rounding, layer = FakeQuantize(0.5, 0), QuantizedLinear(1, 1)
        >>> multiplied_in_float(trace(nn.Sequential(rounding, layer, nn.ReLU(), rounding, QuantizedLinear(1, 1))))
        ('4',)
    """
    layers = dict(model.named_modules())
    return tuple(
        str(node.target)
        for node in model.graph.nodes
        if node.op == "call_module" and isinstance(layers[str(node.target)], QuantizedConv2d | QuantizedLinear)
        if not _is_rounded(node, layers)
    )


def _is_rounded(node: fx.Node, layers: dict[str, nn.Module]) -> bool:
    """Tell whether every reader rounds a result, or clips it for readers that do."""
    return bool(node.users) and all(_rounds(reader, layers) for reader in node.users)


def _rounds(reader: fx.Node, layers: dict[str, nn.Module]) -> bool:
    layer = layers.get(str(reader.target)) if reader.op == "call_module" else None
    if isinstance(layer, FakeQuantize):
        return True
    name = operator_name(reader) if layer is None else operator_of(layer)
    return name in _CLIPS and _is_rounded(reader, layers)
