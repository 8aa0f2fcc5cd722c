"""Between the ONNX format and our graph. What is read may be anything; what is written is valid."""

import onnx

from lissome.core.errors import BadModelError
from lissome.graph.graph import Graph
from lissome.graph.node import STANDARD, node_from_proto, node_to_proto, require_text

OLDEST_OPSET, NEWEST_OPSET = 7, 25
"""What the passes know the operators of. Before 7, arithmetic did not broadcast."""


def graph_from_model(model: onnx.ModelProto) -> Graph:
    """Read a model.

    Args:
        model: It is not changed, and must not be changed while the graph lives: large tensors are shared.

    Raises:
        BadModelError: The file is no graph of single assignments, reads what nobody writes, or is of an opset that the
            passes do not know.

    Example:
        >>> from onnx import helper
        >>> x, y = (helper.make_tensor_value_info(name, 1, [2]) for name in "xy")
        >>> graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
        >>> model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        >>> [str(node) for node in graph_from_model(model).nodes]
        ['Relu y']
    """
    proto = model.graph
    require_text((one.name for one in (*proto.input, *proto.output, *proto.initializer)), "tensor")
    require_text((one.domain for one in model.opset_import), "opset")
    require_text((proto.name, model.domain, model.doc_string), "graph")
    constants = {one.name: one for one in proto.initializer}
    graph = Graph(
        model,
        [one for one in proto.input if one.name not in constants],
        list(proto.output),
        _opset(model),
    )
    _check_names([one.name for one in graph.inputs], [one.name for one in graph.outputs])
    for name, tensor in constants.items():
        _check_header(tensor)
        graph.set_constant(name, tensor)
    if proto.sparse_initializer:
        raise BadModelError("has sparse tensors, which the passes do not know", where=f"graph {proto.name}")
    written = {*constants, *(one.name for one in graph.inputs)}
    for one in proto.node:
        node = node_from_proto(one)
        for name in filter(None, node.outputs):
            if name in written:
                raise BadModelError(f"writes {name}, which already exists", where=str(node))
            written.add(name)
        graph.add(node)
    _check_all_written(graph, written)
    graph.sorted_nodes()
    return graph


def model_from_graph(graph: Graph) -> onnx.ModelProto:
    """Write a graph as a model, nodes sorted, with the header of the model it came from."""
    source = graph.model
    made = onnx.ModelProto(
        ir_version=max(source.ir_version, 4),  # below 4 every initializer has to be an input as well
        producer_name="lissome",
        domain=source.domain,
        model_version=source.model_version,
        doc_string=source.doc_string,
    )
    made.opset_import.extend(source.opset_import)
    made.metadata_props.extend(source.metadata_props)
    made.functions.extend(source.functions)
    made.graph.name = source.graph.name or "graph"
    made.graph.input.extend(graph.inputs)
    made.graph.output.extend(graph.outputs)
    made.graph.node.extend(node_to_proto(node) for node in graph.sorted_nodes())
    made.graph.initializer.extend(graph.constant_proto(name) for name in graph.constant_names())
    return made


def _opset(model: onnx.ModelProto) -> int:
    versions = [one.version for one in model.opset_import if one.domain in STANDARD]
    if len(versions) != 1:
        raise BadModelError(f"names {len(versions)} versions of ONNX's operators", fix="export it again")
    if not OLDEST_OPSET <= versions[0] <= NEWEST_OPSET:
        raise BadModelError(
            f"is of opset {versions[0]}", fix=f"export it for an opset from {OLDEST_OPSET} to {NEWEST_OPSET}"
        )
    return int(versions[0])


def _check_names(inputs: list[str], outputs: list[str]) -> None:
    for what, names in (("input", inputs), ("output", outputs)):
        if len(set(names)) < len(names) or not all(names):
            raise BadModelError(f"names an {what} twice, or not at all", fix="export it again")
    if not outputs:
        raise BadModelError("has no output", fix="export it again")


def _check_header(tensor: onnx.TensorProto) -> None:
    known = tensor.data_type in onnx.TensorProto.DataType.values() and tensor.data_type != onnx.TensorProto.UNDEFINED
    if not known or any(side < 0 for side in tensor.dims):
        raise BadModelError("has no valid shape and type", where=f"tensor {tensor.name}")


def _check_all_written(graph: Graph, written: set[str]) -> None:
    for node in graph.nodes:
        for name in node.inputs:
            if name and name not in written:
                raise BadModelError(f"reads {name}, which nobody writes", where=str(node))
    for name in graph.output_names:
        if name not in written:
            raise BadModelError(f"output {name} is written by nobody")
