"""RULES: how each operator's output shape follows from its inputs; without a rule the shape is unknown."""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx

from lissome.graph import layout_rules as layout
from lissome.graph.layout_rules import axis_of
from lissome.graph.node import Node
from lissome.graph.shapes import Dim, Shape, Shapes
from lissome.graph.window_rules import conv, global_pool, pool, transposed_conv

Rule = Callable[[Node, Shapes], None]

_BOOL = onnx.TensorProto.BOOL


def _same(node: Node, shapes: Shapes) -> None:
    shapes.put(node, shapes.shape(node.input(0)), value=shapes.value(node.input(0)) if node.op == "Identity" else None)


def _float_same(node: Node, shapes: Shapes) -> None:
    shapes.put(node, shapes.shape(node.input(0)))


def _cast(node: Node, shapes: Shapes) -> None:
    value = shapes.value(node.input(0))
    to = node.attributes["to"]
    if value is not None and np.dtype(onnx.helper.tensor_dtype_to_np_dtype(to)).kind in "iu":
        value = np.frompyfunc(lambda one: int(one) if isinstance(one, float) else one, 1, 1)(value)
    shapes.put(node, shapes.shape(node.input(0)), type=to, value=value)


def broadcast(one: Shape | None, other: Shape | None) -> Shape | None:
    """Return the shape of two tensors combined element by element.

    Example:
        >>> broadcast(("batch", 8, 1), (4,))
        ('batch', 8, 4)
    """
    if one is None or other is None:
        return None
    size = max(len(one), len(other))
    pairs = zip((1,) * (size - len(one)) + one, (1,) * (size - len(other)) + other, strict=True)
    return tuple(_broadcast_dim(a, b) for a, b in pairs)


def _broadcast_dim(a: Dim, b: Dim) -> Dim:
    if b in (a, 1):
        return a
    if a == 1:
        return b
    numbers = [one for one in (a, b) if isinstance(one, int)]
    return numbers[0] if len(numbers) == 1 else None  # a symbol against 3 must be 3 or 1: the result is 3


def _combine(function: Callable[[Any, Any], Any], neutral: int | None) -> Callable[[Any, Any], Any]:
    """Return arithmetic on numbers that lets a symbol pass where the other side is neutral."""

    def combined(a: Any, b: Any) -> Any:
        if isinstance(a, int | float) and isinstance(b, int | float):
            return function(a, b)
        if isinstance(a, str) and b == neutral and neutral is not None:
            return a
        if isinstance(b, str) and a == neutral and function in (operator.add, operator.mul):
            return b
        return None

    return combined


def _divide(a: Any, b: Any) -> Any:
    if isinstance(a, float) or isinstance(b, float):
        return a / b
    return math.trunc(a / b) if abs(a) < 2**52 and abs(b) < 2**52 else a // b  # ONNX truncates


_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "Add": _combine(operator.add, 0),
    "Sub": _combine(operator.sub, 0),
    "Mul": _combine(operator.mul, 1),
    "Div": _combine(_divide, 1),
}


def _binary(node: Node, shapes: Shapes) -> None:
    one, other = shapes.value(node.input(0)), shapes.value(node.input(1))
    value = None
    if one is not None and other is not None and node.op in _ARITHMETIC:
        value = np.frompyfunc(_ARITHMETIC[node.op], 2, 1)(one, other)
    shape = broadcast(shapes.shape(node.input(0)), shapes.shape(node.input(1)))
    type = _BOOL if node.op in ("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "And", "Or") else None
    shapes.put(node, shape, type=type, value=value)


def _variadic(node: Node, shapes: Shapes) -> None:
    shape = shapes.shape(node.input(0))
    for name in node.inputs[1:]:
        shape = broadcast(shape, shapes.shape(name))
    shapes.put(node, shape)


def _where(node: Node, shapes: Shapes) -> None:
    shape = broadcast(shapes.shape(node.input(0)), shapes.shape(node.input(1)))
    shapes.put(node, broadcast(shape, shapes.shape(node.input(2))), type=shapes.type(node.input(1)))


def _gemm(node: Node, shapes: Shapes) -> None:
    a, b = shapes.shape(node.input(0)), shapes.shape(node.input(1))
    if a is not None and b is not None:
        shapes.put(node, (a[1 if node.get("transA", 0) else 0], b[0 if node.get("transB", 0) else 1]))


def _matmul(node: Node, shapes: Shapes) -> None:
    a, b = shapes.shape(node.input(0)), shapes.shape(node.input(1))
    if a is not None and b is not None and len(a) > 1 and len(b) > 1:
        batch = broadcast(a[:-2], b[:-2])
        shapes.put(node, None if batch is None else (*batch, a[-2], b[-1]))


def _reduce(node: Node, shapes: Shapes) -> None:
    shape, axes = shapes.shape(node.input(0)), shapes.setting(node, "axes", 1)
    if shape is None or (axes is None and node.input(1)):
        return
    if not axes and node.get("noop_with_empty_axes", 0):
        shapes.put(node, shape)
        return
    gone = {axis_of(one, len(shape)) for one in axes} if axes else set(range(len(shape)))
    keep = node.get("keepdims", 1)
    shapes.put(node, tuple(1 if p in gone else s for p, s in enumerate(shape) if keep or p not in gone))


def _resize(node: Node, shapes: Shapes) -> None:
    shape = shapes.shape(node.input(0))
    if shape is None:
        return
    sizes = shapes.integers(node.input(3)) if node.input(3) else None
    scales = shapes.value(node.input(1 if node.op == "Upsample" else 2))
    if node.get("keep_aspect_ratio_policy", "stretch") != "stretch" or node.get("axes") is not None:
        shapes.put(node, (None,) * len(shape))
    elif sizes is not None and len(sizes) == len(shape):
        shapes.put(node, tuple(sizes))
    elif scales is not None and len(scales) == len(shape):
        pairs = zip(shape, scales, strict=True)
        shapes.put(node, tuple(math.floor(s * k) if isinstance(s, int) else (s if k == 1 else None) for s, k in pairs))
    else:
        shapes.put(node, (None,) * len(shape))


def _constant_of_shape(node: Node, shapes: Shapes) -> None:
    value = shapes.value(node.input(0))
    given = node.get("value")
    if value is not None:
        shapes.put(
            node,
            tuple(value.reshape(-1).tolist()),
            type=given.data_type if given is not None else onnx.TensorProto.FLOAT,
        )


_SAME = (
    "Relu", "LeakyRelu", "PRelu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Elu", "Selu", "Softplus",
    "Mish",
    "Gelu", "Exp", "Log", "Sqrt", "Neg", "Abs", "Floor", "Ceil", "Round", "Erf", "Reciprocal", "Softsign", "Sin", "Cos",
    "Identity", "Dropout", "BatchNormalization", "InstanceNormalization", "LRN", "Softmax", "LogSoftmax", "Not",
    "LayerNormalization", "GroupNormalization", "LpNormalization",
)  # fmt: skip
_BINARY = (
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pow",
    "Mod",
    "Equal",
    "Less",
    "Greater",
    "LessOrEqual",
    "GreaterOrEqual",
    "And",
    "Or",
)
_REDUCE = ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare")

RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_SAME, _same),
    **dict.fromkeys(_BINARY, _binary),
    **dict.fromkeys(("Sum", "Max", "Min", "Mean"), _variadic),
    **dict.fromkeys(_REDUCE, _reduce),
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), global_pool),
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    "Cast": _cast,
    "Concat": layout.concat,
    "ConstantOfShape": _constant_of_shape,
    "Conv": conv,
    "ConvTranspose": transposed_conv,
    "Flatten": layout.flatten,
    "Gather": layout.gather,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Pad": layout.pad,
    "Reshape": layout.reshape,
    "Shape": layout.shape,
    "Slice": layout.cut,
    "Split": layout.split,
    "Squeeze": layout.squeeze,
    "Transpose": layout.transpose,
    "Unsqueeze": layout.unsqueeze,
    "Where": _where,
}
"""Operator to rule."""
