"""RULES: how each operator's output shape follows from its inputs; without a rule the shape is unknown."""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx

from lissome.graph.node import Node
from lissome.graph.shapes import LARGEST_VALUE, Dim, Shape, Shapes, Value
from lissome.graph.window_rules import conv, global_pool, pool, transposed_conv

Rule = Callable[[Node, Shapes], None]

_INT64 = onnx.TensorProto.INT64
_BOOL = onnx.TensorProto.BOOL


def axis_of(axis: int, rank: int) -> int:
    """Return an axis counted from the front.

    Raises:
        ValueError: There is no such axis.

    Example:
        >>> axis_of(-1, 4)
        3
    """
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} of {rank}")
    return axis % rank


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


def _shape(node: Node, shapes: Shapes) -> None:
    shape = shapes.shape(node.input(0))
    if shape is None:
        shapes.put(node, (None,), type=_INT64)
        return
    part = shape[node.get("start", 0) : node.get("end")]
    shapes.put(node, (len(part),), type=_INT64, value=_as_value(part))


def _as_value(sides: Shape) -> Value:
    value = np.empty(len(sides), dtype=object)
    value[:] = sides
    return value


def _gather(node: Node, shapes: Shapes) -> None:
    data, indices = shapes.shape(node.input(0)), shapes.shape(node.input(1))
    if data is None or indices is None:
        return
    axis = axis_of(node.get("axis", 0), len(data))
    value, places = shapes.value(node.input(0)), shapes.value(node.input(1))
    taken = None
    if value is not None and places is not None:
        taken = np.take(value, places.astype(np.int64), axis=axis)
    shapes.put(node, (*data[:axis], *indices, *data[axis + 1 :]), value=taken)


def _concat(node: Node, shapes: Shapes) -> None:
    parts = [shapes.shape(name) for name in node.inputs]
    if any(part is None for part in parts):
        return
    known = [part for part in parts if part is not None]
    axis = axis_of(node.attributes["axis"], len(known[0]))
    if len({len(part) for part in known}) != 1:
        return
    sides = [part[axis] for part in known]
    total = sum(side for side in sides if isinstance(side, int)) if all(isinstance(s, int) for s in sides) else None
    merged = [_merge_dims([part[place] for part in known]) for place in range(len(known[0]))]
    merged[axis] = total
    values = [shapes.value(name) for name in node.inputs]
    joined = None
    if all(one is not None and one.ndim == len(known[0]) for one in values):
        joined = np.concatenate([one for one in values if one is not None], axis=axis)
    shapes.put(node, tuple(merged), value=joined)


def _merge_dims(sides: list[Dim]) -> Dim:
    numbers = [side for side in sides if isinstance(side, int)]
    if numbers:
        return numbers[0]
    return sides[0] if len(set(sides)) == 1 else None


def _split(node: Node, shapes: Shapes) -> None:
    shape = shapes.shape(node.input(0))
    if shape is None:
        return
    axis = axis_of(node.get("axis", 0), len(shape))
    sizes = split_sizes(node, shapes)
    for place in range(len(node.outputs)):
        side = sizes[place] if sizes is not None else None
        shapes.put_at(node, place, (*shape[:axis], side, *shape[axis + 1 :]))


def split_sizes(node: Node, shapes: Shapes) -> list[int] | None:
    """Return how long each part of a Split is, or None."""
    given = shapes.setting(node, "split", 1)
    if given is not None or node.input(1):
        return given
    shape = shapes.shape(node.input(0))
    if shape is None:
        return None
    side, count = shape[axis_of(node.get("axis", 0), len(shape))], len(node.outputs)
    if not isinstance(side, int):
        return None
    whole = -(-side // count)
    return [min(whole, side - place * whole) for place in range(count)]


def _slice(node: Node, shapes: Shapes) -> None:
    shape = shapes.shape(node.input(0))
    if shape is None:
        return
    ranges = slice_ranges(node, shapes)
    if ranges is None:
        starts = shapes.shape(node.input(3)) if node.input(3) else None
        axes = shapes.setting(node, "axes", 3)
        touched = {axis_of(one, len(shape)) for one in axes} if axes is not None else set(range(len(shape)))
        if starts is not None or node.input(1):
            shapes.put(node, tuple(None if place in touched else side for place, side in enumerate(shape)))
        return
    sides, value = list(shape), shapes.value(node.input(0))
    cut = [slice(None)] * len(shape)
    for axis, (start, end, step) in ranges.items():
        side = shape[axis]
        cut[axis] = slice(start, end if end >= -(2**31) else None, step)
        whole = start == 0 and end >= 2**31 - 1 and step == 1
        sides[axis] = side if whole else (len(range(*cut[axis].indices(side))) if isinstance(side, int) else None)
    shapes.put(node, tuple(sides), value=value[tuple(cut)] if value is not None else None)


def slice_ranges(node: Node, shapes: Shapes) -> dict[int, tuple[int, int, int]] | None:
    """Return (start, end, step) of each axis that a Slice cuts, as they are written; None if not known."""
    rank = shapes.rank(node.input(0))
    starts, ends = shapes.setting(node, "starts", 1), shapes.setting(node, "ends", 2)
    if rank is None or starts is None or ends is None:
        return None
    axes, steps = shapes.setting(node, "axes", 3), shapes.setting(node, "steps", 4)
    if (axes is None and node.input(3)) or (steps is None and node.input(4)):
        return None
    axes = axes if axes is not None else list(range(len(starts)))
    steps = steps if steps is not None else [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        return None
    return {axis_of(axis, rank): (s, e, t) for axis, s, e, t in zip(axes, starts, ends, steps, strict=True)}


def _reshape(node: Node, shapes: Shapes) -> None:
    target, shape = shapes.value(node.input(1)), shapes.shape(node.input(0))
    if target is None:
        length = shapes.static(node.input(1))
        if length is not None and len(length) == 1 and length[0] <= LARGEST_VALUE:
            shapes.put(node, (None,) * length[0])
        return
    sides: list[Dim] = target.reshape(-1).tolist()
    if not node.get("allowzero", 0):
        sides = [
            (shape[place] if shape is not None else None) if side == 0 else side for place, side in enumerate(sides)
        ]
    if -1 in sides:
        sides[sides.index(-1)] = _remaining(shape, [side for side in sides if side != -1])
    shapes.put(node, tuple(sides), value=_reshaped(shapes.value(node.input(0)), sides))


def _reshaped(value: Value | None, sides: list[Dim]) -> Value | None:
    numbers = [side for side in sides if isinstance(side, int)]
    return value.reshape(numbers) if value is not None and len(numbers) == len(sides) else None


def _remaining(shape: Shape | None, sides: list[Dim]) -> Dim:
    """Return what -1 stands for: the elements divided by the other sides, equal symbols cancelled."""
    if shape is None or None in shape or None in sides:
        return None
    have, taken = list(shape), list(sides)
    for side in sides:
        if isinstance(side, str) and side in have:
            have.remove(side)
            taken.remove(side)
    symbols = [side for side in have if isinstance(side, str)]
    if any(isinstance(side, str) for side in taken) or len(symbols) > 1:
        return None
    total = math.prod(side for side in have if isinstance(side, int))
    divisor = math.prod(side for side in taken if isinstance(side, int))
    if divisor == 0 or total % divisor:
        return None
    if symbols:
        return symbols[0] if total == divisor else None
    return total // divisor


def _transpose(node: Node, shapes: Shapes) -> None:
    shape = shapes.shape(node.input(0))
    if shape is not None:
        order = node.get("perm") or list(reversed(range(len(shape))))
        if sorted(order) == list(range(len(shape))):
            shapes.put(node, tuple(shape[place] for place in order))


def _flatten(node: Node, shapes: Shapes) -> None:
    shape = shapes.shape(node.input(0))
    if shape is not None:
        axis = node.get("axis", 1)
        axis = axis + len(shape) if axis < 0 else axis
        shapes.put(node, (_product(shape[:axis]), _product(shape[axis:])))


def _product(sides: Shape) -> Dim:
    others = [side for side in sides if side != 1]
    if len(others) == 1:
        return others[0]
    numbers = [side for side in others if isinstance(side, int)]
    return math.prod(numbers) if len(numbers) == len(others) else None


def _squeeze(node: Node, shapes: Shapes) -> None:
    shape = shapes.shape(node.input(0))
    axes = shapes.setting(node, "axes", 1)
    if shape is None or (axes is None and (node.input(1) or not all(isinstance(side, int) for side in shape))):
        return
    gone = (
        {axis_of(one, len(shape)) for one in axes} if axes is not None else {p for p, s in enumerate(shape) if s == 1}
    )
    kept = tuple(side for place, side in enumerate(shape) if place not in gone)
    shapes.put(node, kept, value=_reshaped(shapes.value(node.input(0)), list(kept)))


def _unsqueeze(node: Node, shapes: Shapes) -> None:
    shape, axes = shapes.shape(node.input(0)), shapes.setting(node, "axes", 1)
    if shape is None or axes is None:
        return
    rank = len(shape) + len(axes)
    new = {axis_of(one, rank) for one in axes}
    rest = iter(shape)
    made = tuple(1 if place in new else next(rest) for place in range(rank))
    shapes.put(node, made, value=_reshaped(shapes.value(node.input(0)), list(made)))


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


def _pad(node: Node, shapes: Shapes) -> None:
    shape, pads = shapes.shape(node.input(0)), shapes.setting(node, "pads", 1)
    if shape is None:
        return
    if pads is None or node.input(3) or len(pads) != 2 * len(shape):
        shapes.put(node, (None,) * len(shape))
        return
    pairs = zip(shape, pads[: len(shape)], pads[len(shape) :], strict=True)
    shapes.put(node, tuple(s + a + b if isinstance(s, int) else (s if a == b == 0 else None) for s, a, b in pairs))


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
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "Conv": conv,
    "ConvTranspose": transposed_conv,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Pad": _pad,
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": _where,
}
"""Operator to rule."""
