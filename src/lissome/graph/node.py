"""One operator of a graph."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import onnx
from onnx import helper

from lissome.core.errors import BadModelError

STANDARD = ("", "ai.onnx")
"""The domain of ONNX's own operators, by both of its names."""


@dataclass(slots=True, eq=False)
class Node:
    """One operator: what it reads, what it writes, how it is set. Two nodes are equal only if they are the same one.

    Args:
        op: The operator, "Conv".
        inputs: Names of the tensors it reads; "" where an optional one is left out.
        outputs: Names of those it writes.
        attributes: Settings as plain Python values; subgraphs stay protos.
        name: A name for messages; may be "".
        domain: "" for ONNX's own operators.

    Example:
        >>> str(Node("Relu", ["x"], ["y"]))
        'Relu y'
    """

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    domain: str = ""

    def __str__(self) -> str:
        return f"{self.op} {self.name or self.outputs[0]}"

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]

    @property
    def standard(self) -> bool:
        """Whether ONNX itself defines the operator."""
        return self.domain in STANDARD

    @property
    def subgraphs(self) -> list[onnx.GraphProto]:
        """The graphs inside it: the branches of If, the body of Loop and Scan."""
        found: list[onnx.GraphProto] = []
        for value in self.attributes.values():
            some = value if isinstance(value, list) else [value]
            found += [one for one in some if isinstance(one, onnx.GraphProto)]
        return found

    @property
    def captured(self) -> set[str]:
        """Every name that is read inside of its subgraphs, at any depth; too many do no harm."""
        names: set[str] = set()
        stack = self.subgraphs
        while stack:
            graph = stack.pop()
            names.update(one.name for one in graph.output)
            for inner in graph.node:
                names.update(inner.input)
                for attribute in inner.attribute:
                    stack += [attribute.g] if attribute.HasField("g") else list(attribute.graphs)
        return names

    def input(self, place: int) -> str:
        """Return the name of an input, "" where it is left out."""
        return self.inputs[place] if place < len(self.inputs) else ""

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute; text as str."""
        value = self.attributes.get(name, default)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def copy(self) -> "Node":
        """Return a copy whose lists are its own; attribute values are shared, as nobody changes them."""
        return Node(self.op, [*self.inputs], [*self.outputs], {**self.attributes}, self.name, self.domain)


def node_from_proto(proto: onnx.NodeProto) -> Node:
    """Read a node.

    Raises:
        BadModelError: An attribute has no value, a name is no text, or the node writes nothing.
    """
    texts = (
        proto.op_type,
        proto.name,
        proto.domain,
        *proto.input,
        *proto.output,
        *(one.name for one in proto.attribute),
    )
    require_text(texts, "node")
    if not any(proto.output):
        raise BadModelError("writes nothing", where=f"{proto.op_type} {proto.name}")
    try:
        attributes = {one.name: helper.get_attribute_value(one) for one in proto.attribute}
    except (TypeError, ValueError) as error:
        raise BadModelError(f"an attribute cannot be read: {error}", where=f"{proto.op_type} {proto.name}") from error
    if any(one is None for one in attributes.values()):
        raise BadModelError("an attribute has no value", where=f"{proto.op_type} {proto.name}")
    # Repeated fields are views of the proto; lists are plain.
    plain = {
        name: value if isinstance(value, bytes | str | int | float) else _plain(value)
        for name, value in attributes.items()
    }
    return Node(proto.op_type, list(proto.input), list(proto.output), plain, proto.name, proto.domain)


def require_text(names: Iterable[object], where: str) -> None:
    """Refuse names that are no UTF-8: protobuf hands those out as bytes, and does not take them back.

    Raises:
        BadModelError: One is bytes.
    """
    for name in names:
        if not isinstance(name, str):
            raise BadModelError("has a name that is no text", where=f"{where} {name!r}", fix="export it again")


def _plain(value: Any) -> Any:
    is_proto = hasattr(value, "SerializeToString")
    return value if is_proto else list(value)


def node_to_proto(node: Node) -> onnx.NodeProto:
    """Write a node; attributes in the order of their names, so that equal nodes are equal bytes."""
    proto = helper.make_node(node.op, node.inputs, node.outputs, name=node.name or None, domain=node.domain or None)
    for name in sorted(node.attributes):
        value = node.attributes[name]
        if isinstance(value, list) and not value:
            # make_attribute cannot guess the type of an empty list; ours are axes, sizes and the like.
            proto.attribute.append(onnx.AttributeProto(name=name, type=onnx.AttributeProto.INTS))
        else:
            proto.attribute.append(helper.make_attribute(name, value))
    return proto
