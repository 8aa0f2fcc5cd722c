"""An ONNX graph in the form the passes work on: who writes and who reads each tensor is always known."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from lissome.core.errors import BadModelError
from lissome.graph.infer_shapes import infer_node, infer_shapes
from lissome.graph.node import Node
from lissome.graph.shapes import Shapes

Array = npt.NDArray[Any]
Finding = TypeVar("Finding")


class Graph:
    """Nodes and constants, indexed.

    The order of nodes is of no importance here; `to_model` sorts them. Constant arrays are shared between copies and
    must not be written to. Whatever is changed goes through a method, so that what was found out about the graph is
    kept exactly as long as it is true.

    Args:
        model: Where the header (opsets, functions, metadata) comes from.
        inputs: Declared inputs, without those that have a default value among the constants.
        outputs: Declared outputs.
        opset: Version of ONNX's own operators.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        inputs: list[onnx.ValueInfoProto],
        outputs: list[onnx.ValueInfoProto],
        opset: int,
    ) -> None:
        self.model, self.inputs, self.outputs, self.opset = model, inputs, outputs, opset
        self._nodes: dict[Node, None] = {}
        self._constants: dict[str, onnx.TensorProto | Array] = {}
        # What was read from stored tensors, by their identity; shared between copies.
        self._arrays: dict[int, tuple[onnx.TensorProto, Array]] = {}
        self._makers: dict[str, Node] = {}
        self._readers: dict[str, dict[Node, None]] = {}
        self._captured: Counter[str] = Counter()
        self._inner_names: dict[Node, set[str]] = {}
        self._found: dict[Hashable, Any] = {}
        self._version = 0
        self._output_names = [one.name for one in outputs]
        self._count = 0
        self._shapes: Shapes | None = None

    def copy(self) -> "Graph":
        """Return a graph that can be changed without this one noticing."""
        made = Graph(self.model, self.inputs, self.outputs, self.opset)
        made._constants, made._count, made._arrays = dict(self._constants), self._count, self._arrays
        for node in self._nodes:
            made.add(node.copy())
        made._shapes = self._shapes.copy(made) if self._shapes else None
        return made

    # --- looking

    @property
    def version(self) -> int:
        """How often the graph was changed."""
        return self._version

    def remembered(self, key: Hashable, find: Callable[[], Finding]) -> Finding:
        """Return what was found out about the graph as it is; found out anew once anything was changed.

        Args:
            key: Names the question.
            find: Answers it; nobody changes the answer.
        """
        if key not in self._found:
            self._found[key] = find()
        return cast("Finding", self._found[key])

    def _change(self) -> None:
        self._version += 1
        self._found.clear()

    @property
    def nodes(self) -> list[Node]:
        """All nodes; a list of its own, so that the graph may change while it is walked."""
        return list(self._nodes)

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs."""
        return self._output_names

    @property
    def shapes(self) -> Shapes:
        """Shapes, element types and small integer values of all tensors, as far as they are known.

        A rewrite keeps the meaning of a name, so what is known stays true; one that changes what a name stands for,
        such as the number of channels, must say so by `forget_shapes`.
        """
        if self._shapes is None:
            self._shapes = infer_shapes(self, self.inputs, self.constant_names(), self.sorted_nodes())
        return self._shapes

    def __contains__(self, node: Node) -> bool:
        return node in self._nodes

    def maker(self, name: str) -> Node | None:
        """Return the node that writes a tensor; None for inputs and constants."""
        return self._makers.get(name)

    def readers(self, name: str) -> list[Node]:
        """Return the nodes that read a tensor, each once."""
        return list(self._readers.get(name, ()))

    def is_output(self, name: str) -> bool:
        """Tell whether a tensor leaves the graph, or is read inside of a branch or loop body."""
        return name in self._output_names or self._captured[name] > 0

    def only_reader(self, name: str) -> Node | None:
        """Return the one node that reads a tensor, or None if there are more, none, or it is an output."""
        readers = self._readers.get(name, {})
        return next(iter(readers)) if len(readers) == 1 and not self.is_output(name) else None

    def constant(self, name: str) -> Array | None:
        """Return the value of a constant, or None if it is none.

        Raises:
            BadModelError: Its bytes do not fit its shape and type.
        """
        value = self._constants.get(name)
        if not isinstance(value, onnx.TensorProto):
            return value
        known = self._arrays.get(id(value))
        if known is None:
            known = self._arrays[id(value)] = (value, tensor_array(value))
        return known[1]

    def is_constant(self, name: str) -> bool:
        """Tell whether a tensor is a constant."""
        return name in self._constants

    def constant_names(self) -> list[str]:
        """Names of all constants."""
        return list(self._constants)

    def constant_header(self, name: str) -> tuple[tuple[int, ...], int]:
        """Return shape and element type of a constant without reading its values."""
        value = self._constants[name]
        if isinstance(value, onnx.TensorProto):
            return tuple(value.dims), value.data_type
        return value.shape, onnx.helper.np_dtype_to_tensor_dtype(value.dtype)

    def constant_proto(self, name: str) -> onnx.TensorProto:
        """Return a constant as it is stored in a file."""
        value = self._constants[name]
        if isinstance(value, onnx.TensorProto):
            if value.name == name:
                return value
            value = tensor_array(value)
        return numpy_helper.from_array(np.asarray(value, order="C"), name)

    def operators(self) -> Counter[str]:
        """Return how many nodes there are of each operator."""
        return Counter(node.op if node.standard else f"{node.domain}.{node.op}" for node in self._nodes)

    # --- changing

    def add(self, node: Node) -> Node:
        """Add a node and return it."""
        self._change()
        self._nodes[node] = None
        for name in node.outputs:
            if name:
                self._makers[name] = node
        for name in node.inputs:
            self._readers.setdefault(name, {})[node] = None
        if inner := node.captured:
            self._inner_names[node] = inner
            self._captured.update(inner)
        if self._shapes is not None:
            infer_node(node, self._shapes)
        return node

    def remove(self, *nodes: Node) -> None:
        """Remove nodes; who reads their outputs is left reading nothing, which the caller mends."""
        self._change()
        for node in nodes:
            del self._nodes[node]
            for name in node.outputs:
                if self._makers.get(name) is node:
                    del self._makers[name]
            for name in node.inputs:
                self._readers.get(name, {}).pop(node, None)
            self._captured.subtract(self._inner_names.pop(node, ()))

    def make(self, op: str, inputs: Iterable[str], output: str = "", **attributes: Any) -> Node:
        """Add a node of ONNX's own operators with one output, which gets a fresh name unless one is given."""
        made = output or self.fresh(op.lower())
        return self.add(Node(op, list(inputs), [made], attributes, name=made))

    def add_constant(self, value: Array, hint: str) -> str:
        """Add a constant under a fresh name and return that."""
        name = self.fresh(hint)
        self.set_constant(name, value)
        return name

    def set_constant(self, name: str, value: Array | onnx.TensorProto) -> None:
        """Add a constant under a name of its own."""
        self._change()
        self._constants[name] = value
        if self._shapes is not None:
            self._shapes.put_constant(name)

    def drop_constant(self, name: str) -> None:
        """Remove a constant that nobody reads."""
        self._change()
        del self._constants[name]

    def forget_shapes(self) -> None:
        """Find all shapes anew when they are next asked for."""
        self._change()
        self._shapes = None

    def set_attribute(self, node: Node, name: str, value: Any) -> None:
        """Set a node otherwise."""
        self._change()
        node.attributes[name] = value

    def set_input(self, node: Node, place: int, name: str) -> None:
        """Let a node read another tensor."""
        self._change()
        old = node.inputs[place]
        node.inputs[place] = name
        if old not in node.inputs:
            self._readers.get(old, {}).pop(node, None)
        self._readers.setdefault(name, {})[node] = None

    def set_inputs(self, node: Node, names: Iterable[str]) -> None:
        """Let a node read other tensors, perhaps more or fewer."""
        self._change()
        for name in node.inputs:
            self._readers.get(name, {}).pop(node, None)
        node.inputs = list(names)
        for name in node.inputs:
            self._readers.setdefault(name, {})[node] = None

    def redirect(self, old: str, new: str) -> None:
        """Let all who read one tensor read another; both must exist and neither `old` be an output."""
        for node in self.readers(old):
            for place, name in enumerate(node.inputs):
                if name == old:
                    self.set_input(node, place, new)

    def replace(self, name: str, node: Node, by: str) -> None:
        """Let tensor `by` take the place of tensor `name`, which `node` writes, and remove that node.

        An output of the graph keeps its name: then the maker of `by` writes it under that name.
        """
        self.remove(node)
        maker = self.maker(by)
        if self.is_output(name):
            if maker is None or self.is_output(by):
                self.make("Identity", [by], name)
                return
            self._change()
            place = maker.outputs.index(by)
            del self._makers[by]
            maker.outputs[place] = name
            self._makers[name] = maker
            self.redirect(by, name)
        else:
            self.redirect(name, by)

    def can_replace(self, name: str, by: str) -> bool:
        """Tell whether `replace` could do without leaving an Identity behind."""
        return not self.is_output(name) or (self.maker(by) is not None and not self.is_output(by))

    def fresh(self, hint: str) -> str:
        """Return a name that nothing has yet."""
        while True:
            self._count += 1
            name = f"lissome_{hint}_{self._count}"
            if name not in self._makers and name not in self._constants and name not in self._readers:
                return name

    def sorted_nodes(self) -> list[Node]:
        """Return the nodes so that each comes after those it reads from; otherwise in the order they were added.

        Raises:
            BadModelError: They read from each other in a circle.
        """
        return list(self.remembered("sorted nodes", self._sorted))

    def _sorted(self) -> list[Node]:
        waiting = {node: self._inputs_to_wait_for(node) for node in self._nodes}
        ready = [node for node in reversed(self._nodes) if not waiting[node]]
        done: list[Node] = []
        while ready:
            node = ready.pop()
            done.append(node)
            freed = []
            for name in node.outputs:
                for reader in self._all_readers(name):
                    if name in waiting[reader]:
                        waiting[reader].discard(name)
                        if not waiting[reader]:
                            freed.append(reader)
            ready += reversed(freed)
        if len(done) < len(self._nodes):
            stuck = next(node for node in self._nodes if waiting[node])
            raise BadModelError("reads, in a circle, what is made from it", where=str(stuck))
        return done

    def _inputs_to_wait_for(self, node: Node) -> set[str]:
        return {name for name in (*node.inputs, *self._inner_names.get(node, ())) if name in self._makers}

    def _all_readers(self, name: str) -> Iterator[Node]:
        yield from self._readers.get(name, ())
        if self._captured[name]:
            yield from (node for node, names in self._inner_names.items() if name in names)


def tensor_array(tensor: onnx.TensorProto) -> Array:
    """Return the values of a stored tensor.

    Raises:
        BadModelError: The bytes do not fit shape and type, or lie in another file that was not loaded.
    """
    try:
        array: Array = numpy_helper.to_array(tensor)
    except Exception as error:  # numpy and onnx raise many kinds
        raise BadModelError(f"its values cannot be read: {error}", where=f"tensor {tensor.name}") from error
    return array
