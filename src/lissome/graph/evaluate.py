"""Compute nodes whose inputs are all constants, with numpy: index arithmetic, layout, element-wise functions."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx

from lissome.graph.graph import Array, Graph
from lissome.graph.layout_rules import axis_of, slice_ranges, split_sizes
from lissome.graph.node import Node

LARGEST_ELEMENTS = 1 << 24
"""A larger result is left for the engine to compute: the file would grow by it."""

Evaluator = Callable[[Graph, Node, list[Array]], "Array | list[Array] | None"]


def evaluate(graph: Graph, node: Node) -> list[Array] | None:
    """Return the outputs of a node whose inputs are constants, or None if there is no rule for it.

    Every input that is given must be a constant.
    """
    rule = EVALUATORS.get(node.op) if node.standard else None
    if rule is None:
        return None
    inputs = [graph.constant(name) for name in node.inputs if name]
    arrays = [one for one in inputs if one is not None]
    try:
        made = rule(graph, node, arrays)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, MemoryError):
        return None  # settings that make no sense: the engine will say so
    if made is None:
        return None
    outputs = made if isinstance(made, list) else [made]
    return outputs if all(one.size <= LARGEST_ELEMENTS for one in outputs) else None


def constant_value(node: Node) -> Array | None:
    """Return the value of a Constant node, or None for text and sparse ones."""
    kinds: Mapping[str, Any] = {
        "value_float": np.float32,
        "value_floats": np.float32,
        "value_int": np.int64,
        "value_ints": np.int64,
    }
    for name, type in kinds.items():
        if name in node.attributes:
            return np.asarray(node.attributes[name], dtype=type)
    tensor = node.get("value")
    if not isinstance(tensor, onnx.TensorProto) or tensor.data_type == onnx.TensorProto.STRING:
        return None
    array: Array = onnx.numpy_helper.to_array(tensor)
    return array


def _arithmetic(function: Callable[[Array, Array], Array]) -> Evaluator:
    def rule(_graph: Graph, _node: Node, inputs: list[Array]) -> Array | None:
        one, other = inputs
        if one.dtype != other.dtype or np.broadcast_shapes(one.shape, other.shape) is None:
            return None
        if np.prod(np.broadcast_shapes(one.shape, other.shape), dtype=object) > LARGEST_ELEMENTS:
            return None
        return np.asarray(function(one, other), dtype=one.dtype)

    return rule


def _compare(function: Callable[[Array, Array], Array]) -> Evaluator:
    return lambda _graph, _node, inputs: np.asarray(function(inputs[0], inputs[1]), dtype=np.bool_)


def _unary(function: Callable[[Array], Array]) -> Evaluator:
    return lambda _graph, _node, inputs: np.asarray(function(inputs[0]), dtype=inputs[0].dtype)


def _divide(one: Array, other: Array) -> Array:
    if one.dtype.kind == "f":
        return np.asarray(one / other)
    if (other == 0).any():
        raise ZeroDivisionError
    quotient = np.abs(one) // np.abs(other)  # ONNX truncates towards zero
    return np.asarray(np.where((one < 0) != (other < 0), -quotient, quotient))


def _constant(_graph: Graph, node: Node, _inputs: list[Array]) -> Array | None:
    return constant_value(node)


def _cast(_graph: Graph, node: Node, inputs: list[Array]) -> Array | None:
    type = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(node.attributes["to"]))
    if type.kind not in "iufb" or inputs[0].dtype.kind not in "iufb" or not np.isfinite(inputs[0]).all():
        return None  # what becomes of infinities and text differs between engines
    return inputs[0].astype(type)


def _concat(_graph: Graph, node: Node, inputs: list[Array]) -> Array:
    return np.concatenate(inputs, axis=node.attributes["axis"])


def _gather(_graph: Graph, node: Node, inputs: list[Array]) -> Array:
    return np.asarray(np.take(inputs[0], inputs[1], axis=node.get("axis", 0)))


def _reshape(_graph: Graph, node: Node, inputs: list[Array]) -> Array:
    target = [int(side) for side in inputs[1]]
    if not node.get("allowzero", 0):
        target = [inputs[0].shape[place] if side == 0 else side for place, side in enumerate(target)]
    return inputs[0].reshape(target)


def _known_shape(graph: Graph, node: Node, inputs: list[Array]) -> Array | None:
    """Squeeze, Unsqueeze, Flatten: the same elements in a shape that is known."""
    shape = graph.shapes.static(node.output)
    return inputs[0].reshape(shape) if shape is not None else None


def _transpose(_graph: Graph, node: Node, inputs: list[Array]) -> Array:
    return np.asarray(np.transpose(inputs[0], node.get("perm")), order="C")


def _slice(graph: Graph, node: Node, inputs: list[Array]) -> Array | None:
    ranges = slice_ranges(node, graph.shapes)
    if ranges is None:
        return None
    cut = [slice(None)] * inputs[0].ndim
    for axis, (start, end, step) in ranges.items():
        cut[axis] = slice(start, end if step > 0 or end > -(2**31) else None, step)
    return np.asarray(inputs[0][tuple(cut)], order="C")


def _split(graph: Graph, node: Node, inputs: list[Array]) -> list[Array] | None:
    sizes = split_sizes(node, graph.shapes)
    if sizes is None:
        return None
    axis = axis_of(node.get("axis", 0), inputs[0].ndim)
    return list(np.split(inputs[0], np.cumsum(sizes)[:-1], axis=axis))


def _constant_of_shape(_graph: Graph, node: Node, inputs: list[Array]) -> Array | None:
    if np.prod(inputs[0], dtype=object) > LARGEST_ELEMENTS:
        return None
    given = node.get("value")
    fill = onnx.numpy_helper.to_array(given).reshape(-1)[0] if given is not None else np.float32(0)
    return np.full([int(side) for side in inputs[0]], fill)


def _expand(_graph: Graph, _node: Node, inputs: list[Array]) -> Array | None:
    shape = np.broadcast_shapes(inputs[0].shape, tuple(int(side) for side in inputs[1]))
    if np.prod(shape, dtype=object) > LARGEST_ELEMENTS:
        return None
    return np.broadcast_to(inputs[0], shape).copy()


def _range(_graph: Graph, _node: Node, inputs: list[Array]) -> Array | None:
    start, limit, step = (one.reshape(-1)[0] for one in inputs)
    if inputs[0].dtype.kind not in "iu" or step == 0 or abs((int(limit) - int(start)) // int(step)) > LARGEST_ELEMENTS:
        return None
    return np.arange(start, limit, step, dtype=inputs[0].dtype)


def _reduce(function: Callable[..., Array]) -> Evaluator:
    def rule(graph: Graph, node: Node, inputs: list[Array]) -> Array | None:
        axes = graph.shapes.setting(node, "axes", 1)
        if axes is None and node.input(1):
            return None
        if not axes and node.get("noop_with_empty_axes", 0):
            return inputs[0]
        kept = bool(node.get("keepdims", 1))
        made = function(inputs[0], axis=tuple(axes) if axes else None, keepdims=kept)
        return np.asarray(made, dtype=inputs[0].dtype)

    return rule


def _where(_graph: Graph, _node: Node, inputs: list[Array]) -> Array | None:
    return np.where(*inputs) if inputs[1].dtype == inputs[2].dtype else None


EVALUATORS: Mapping[str, Evaluator] = {
    "Add": _arithmetic(np.add),
    "Cast": _cast,
    "Ceil": _unary(np.ceil),
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Div": _arithmetic(_divide),
    "Equal": _compare(np.equal),
    "Exp": _unary(np.exp),
    "Expand": _expand,
    "Flatten": _known_shape,
    "Floor": _unary(np.floor),
    "Gather": _gather,
    "Greater": _compare(np.greater),
    "Identity": lambda _graph, _node, inputs: inputs[0],
    "Less": _compare(np.less),
    "Mul": _arithmetic(np.multiply),
    "Neg": _unary(np.negative),
    "Range": _range,
    "Reciprocal": _unary(np.reciprocal),
    "ReduceMax": _reduce(np.max),
    "ReduceMean": _reduce(np.mean),
    "ReduceMin": _reduce(np.min),
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "Relu": _unary(lambda one: np.maximum(one, 0)),
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Sqrt": _unary(np.sqrt),
    "Squeeze": _known_shape,
    "Sub": _arithmetic(np.subtract),
    "Transpose": _transpose,
    "Unsqueeze": _known_shape,
    "Where": _where,
}
"""Operator to function."""
