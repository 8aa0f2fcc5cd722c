"""Which layers of an ONNX graph are meant to multiply integers, and which of them an optimised graph has in float."""

import onnx

_MULTIPLYING = {"Conv", "ConvTranspose", "Gemm", "MatMul", "FusedConv", "FusedGemm", "FusedMatMul"}


def promised_integers(graph: onnx.GraphProto) -> frozenset[str]:
    """Return the names of the layers whose input and weight are both integers made float again.

    Example:
        >>> promised_integers(onnx.GraphProto())
        frozenset()
    """
    return frozenset(_name(node) for node in graph.node if _multiplies_dequantized(node, _dequantized(graph)))


def still_in_float(optimized: onnx.GraphProto, promised: frozenset[str]) -> tuple[str, ...]:
    """Return the layers that multiply floats in a graph that an engine has optimised, of those that were promised.

    A layer that the engine has renamed is known by what it reads.
    """
    dequantized = _dequantized(optimized)
    left = [
        _name(node)
        for node in optimized.node
        if node.op_type in _MULTIPLYING and (_name(node) in promised or _multiplies_dequantized(node, dequantized))
    ]
    return tuple(sorted(left))


def _name(node: onnx.NodeProto) -> str:
    return node.name or node.output[0]


def _dequantized(graph: onnx.GraphProto) -> set[str]:
    return {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}


def _multiplies_dequantized(node: onnx.NodeProto, dequantized: set[str]) -> bool:
    return node.op_type in _MULTIPLYING and len(node.input) > 1 and set(node.input[:2]) <= dequantized
