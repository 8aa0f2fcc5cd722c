"""What is known of every tensor before anything runs: shape, element type, and the values of small integer tensors.

Dimensions are integers, symbols (a free batch is the symbol its file gives it), or None where nothing is known. Values
are followed the same way, so that a reshape whose target was computed from the input's own shape is understood
although the batch is free. Where a rule is missing or a file makes no sense, the answer is "unknown", never a guess.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnx

from lissome.graph.node import Node

Dim = int | str | None
Shape = tuple[Dim, ...]
Value = npt.NDArray[np.object_]

LARGEST_VALUE = 64
"""Tensors of more elements are not followed by value: no shape is that long."""


class Constants(Protocol):
    """What shapes need of a graph."""

    @property
    def opset(self) -> int:
        """Version of ONNX's own operators."""

    def is_constant(self, name: str) -> bool:
        """Tell whether a tensor is a constant."""

    def constant(self, name: str) -> npt.NDArray[Any] | None:
        """Return the value of a constant."""

    def constant_header(self, name: str) -> tuple[tuple[int, ...], int]:
        """Return shape and element type of a constant."""


class Shapes:
    """Shapes, types and values of one graph; `infer_shapes` fills it.

    Args:
        graph: Where the constants are.
        inputs: Declared inputs.
        constants: Names of the constants.
    """

    def __init__(self, graph: Constants, inputs: Sequence[onnx.ValueInfoProto], constants: Sequence[str]) -> None:
        self._graph = graph
        self._shapes: dict[str, Shape] = {}
        self._types: dict[str, int] = {}
        self._values: dict[str, Value] = {}
        for info in inputs:
            self._read_declared(info)
        for name in constants:
            self._shapes[name], self._types[name] = graph.constant_header(name)

    def copy(self, graph: Constants) -> "Shapes":
        """Return the same knowledge for a copy of the graph."""
        made = Shapes(graph, (), ())
        made._shapes, made._types, made._values = dict(self._shapes), dict(self._types), dict(self._values)
        return made

    def put_constant(self, name: str) -> None:
        """Write down shape and type of a constant that was added."""
        self._shapes[name], self._types[name] = self._graph.constant_header(name)
        self._values.pop(name, None)

    def _read_declared(self, info: onnx.ValueInfoProto) -> None:
        if not info.type.HasField("tensor_type"):
            return
        declared = info.type.tensor_type
        self._types[info.name] = declared.elem_type
        if declared.HasField("shape"):
            self._shapes[info.name] = tuple(
                one.dim_value if one.HasField("dim_value") else (one.dim_param or None) for one in declared.shape.dim
            )

    @property
    def opset(self) -> int:
        """Version of ONNX's own operators."""
        return self._graph.opset

    def shape(self, name: str) -> Shape | None:
        """Return the shape of a tensor, or None if not even its rank is known."""
        return self._shapes.get(name)

    def rank(self, name: str) -> int | None:
        """Return how many dimensions a tensor has, or None."""
        shape = self.shape(name)
        return None if shape is None else len(shape)

    def static(self, name: str) -> tuple[int, ...] | None:
        """Return a shape of which every side is a number, or None."""
        shape = self.shape(name)
        if shape is None:
            return None
        sides = tuple(side for side in shape if isinstance(side, int))
        return sides if len(sides) == len(shape) else None

    def channels(self, name: str) -> int | None:
        """Return the number of channels (axis 1), or None."""
        shape = self.shape(name)
        return shape[1] if shape is not None and len(shape) > 1 and isinstance(shape[1], int) else None

    def same(self, one: str, other: str) -> bool:
        """Tell whether two tensors surely have the same shape."""
        shape = self.shape(one)
        return shape is not None and None not in shape and shape == self.shape(other)

    def type(self, name: str) -> int | None:
        """Return the element type of a tensor, as TensorProto.DataType, or None."""
        return self._types.get(name)

    def value(self, name: str) -> Value | None:
        """Return what is known of the elements of a small tensor of integers: numbers, symbols, None; or None."""
        if name not in self._values and self._graph.is_constant(name):
            shape, _ = self._graph.constant_header(name)
            if np.prod(shape, dtype=object) <= LARGEST_VALUE:
                constant = self._graph.constant(name)
                if constant is not None and constant.dtype.kind in "iuf":
                    self._values[name] = np.asarray(constant.tolist(), dtype=object).reshape(shape)
        return self._values.get(name)

    def integers(self, name: str) -> list[int] | None:
        """Return the elements of a small tensor if all of them are known integers, flat; or None."""
        value = self.value(name)
        if value is None or not all(isinstance(one, int) for one in value.flat):
            return None
        return [int(one) for one in value.flat]

    def setting(self, node: Node, attribute: str, place: int) -> list[int] | None:
        """Return integers that older opsets give as an attribute and newer ones as an input; None if not known."""
        if attribute in node.attributes:
            given = node.attributes[attribute]
            return list(given) if isinstance(given, list) else [given]
        return self.integers(node.input(place)) if node.input(place) else None

    # --- for the rules

    def put(self, node: Node, shape: Shape | None, *, type: int | None = None, value: Any = None) -> None:
        """Write down what is known of a node's first output; without a type it has that of the first input."""
        self.put_at(node, 0, shape, type=type)
        if value is not None:
            array = np.asarray(value, dtype=object)
            if array.size <= LARGEST_VALUE:
                self._values[node.output] = array

    def put_at(self, node: Node, place: int, shape: Shape | None, *, type: int | None = None) -> None:
        """Write down what is known of any output."""
        name = node.outputs[place] if place < len(node.outputs) else ""
        if not name:
            return
        if shape is not None:
            self._shapes[name] = shape
        known = type if type is not None else self.type(node.input(0))
        if known is not None:
            self._types[name] = known
