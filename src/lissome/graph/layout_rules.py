"""Shapes and values of what only moves elements: concatenations, cuts, reshapes, transposes, and the shape itself."""

import math

import numpy as np
import onnx

from lissome.graph.node import Node
from lissome.graph.shapes import LARGEST_VALUE, Dim, Shape, Shapes, Value

_INT64 = onnx.TensorProto.INT64


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


def shape(node: Node, shapes: Shapes) -> None:
    """Shape of Shape."""
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


def gather(node: Node, shapes: Shapes) -> None:
    """Shape of Gather."""
    data, indices = shapes.shape(node.input(0)), shapes.shape(node.input(1))
    if data is None or indices is None:
        return
    axis = axis_of(node.get("axis", 0), len(data))
    value, places = shapes.value(node.input(0)), shapes.value(node.input(1))
    taken = None
    if value is not None and places is not None:
        taken = np.take(value, places.astype(np.int64), axis=axis)
    shapes.put(node, (*data[:axis], *indices, *data[axis + 1 :]), value=taken)


def concat(node: Node, shapes: Shapes) -> None:
    """Shape of Concat."""
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


def split(node: Node, shapes: Shapes) -> None:
    """Shape of Split."""
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


def cut(node: Node, shapes: Shapes) -> None:
    """Shape of Slice."""
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


def reshape(node: Node, shapes: Shapes) -> None:
    """Shape of Reshape."""
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


def transpose(node: Node, shapes: Shapes) -> None:
    """Shape of Transpose."""
    shape = shapes.shape(node.input(0))
    if shape is not None:
        order = node.get("perm") or list(reversed(range(len(shape))))
        if sorted(order) == list(range(len(shape))):
            shapes.put(node, tuple(shape[place] for place in order))


def flatten(node: Node, shapes: Shapes) -> None:
    """Shape of Flatten."""
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


def squeeze(node: Node, shapes: Shapes) -> None:
    """Shape of Squeeze."""
    shape = shapes.shape(node.input(0))
    axes = shapes.setting(node, "axes", 1)
    if shape is None or (axes is None and (node.input(1) or not all(isinstance(side, int) for side in shape))):
        return
    gone = (
        {axis_of(one, len(shape)) for one in axes} if axes is not None else {p for p, s in enumerate(shape) if s == 1}
    )
    kept = tuple(side for place, side in enumerate(shape) if place not in gone)
    shapes.put(node, kept, value=_reshaped(shapes.value(node.input(0)), list(kept)))


def unsqueeze(node: Node, shapes: Shapes) -> None:
    """Shape of Unsqueeze."""
    shape, axes = shapes.shape(node.input(0)), shapes.setting(node, "axes", 1)
    if shape is None or axes is None:
        return
    rank = len(shape) + len(axes)
    new = {axis_of(one, rank) for one in axes}
    rest = iter(shape)
    made = tuple(1 if place in new else next(rest) for place in range(rank))
    shapes.put(node, made, value=_reshaped(shapes.value(node.input(0)), list(made)))


def pad(node: Node, shapes: Shapes) -> None:
    """Shape of Pad."""
    shape, pads = shapes.shape(node.input(0)), shapes.setting(node, "pads", 1)
    if shape is None:
        return
    if pads is None or node.input(3) or len(pads) != 2 * len(shape):
        shapes.put(node, (None,) * len(shape))
        return
    pairs = zip(shape, pads[: len(shape)], pads[len(shape) :], strict=True)
    shapes.put(node, tuple(s + a + b if isinstance(s, int) else (s if a == b == 0 else None) for s, a, b in pairs))
