"""Where an integer engine rounds: which results of a traced network get a quantizer."""

from collections.abc import Collection, Iterator

from torch import fx, nn

_COMPUTING = (nn.Conv2d, nn.Linear)
_POOLING = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
_CLIPPING = (nn.ReLU, nn.ReLU6, nn.Hardtanh)
_MOVING = (
    *(nn.MaxPool2d, nn.ZeroPad2d, nn.Flatten, nn.Unflatten, nn.ChannelShuffle),
    *(nn.Identity, nn.Dropout, nn.Dropout2d),
)
_COMBINING_NAMES = ("add", "iadd", "add_", "cat", "concat", "avg_pool2d", "adaptive_avg_pool2d", "mean")
_CLIPPING_NAMES = ("relu", "relu6", "relu_", "hardtanh")
_MOVING_NAMES = (
    *("max_pool2d", "flatten", "view", "reshape", "permute", "transpose", "contiguous", "getitem", "chunk", "split"),
    *("pad", "dropout", "unsqueeze", "squeeze"),
)


def places(graph: fx.GraphModule, floats: Collection[str] = ()) -> dict[fx.Node, fx.Node]:
    """Return which results are rounded, and by whose quantizer.

    Convolutions, linear layers, additions, concatenations and average pools read and write integers; a clipping
    activation behind one is part of it. Operators that only move numbers keep the quantizer of what they move. The
    network's output stays float.

    Args:
        graph: A traced network whose nodes are marked by whether they give tensors.
        floats: Paths of layers that stay float: neither what they read nor what they write is rounded for them.

    Returns:
        Node to the node whose observed range it shares (itself, unless it only moves numbers).
    """
    found: dict[fx.Node, fx.Node] = {}
    for node in graph.graph.nodes:
        if not _is_integer(graph, node) or str(node.target) in floats:
            continue
        for source in _tensor_inputs(node):
            for step in _path_to_origin(graph, source):
                found[step] = _origin(graph, source)
        written = _with_clipping(graph, node)
        if any(user.op != "output" for user in written.users) and not _only_read_by(graph, written, floats):
            found[written] = written
    return found


def _only_read_by(graph: fx.GraphModule, node: fx.Node, floats: Collection[str]) -> bool:
    """Tell whether all that read a result are layers that stay float."""
    readers = list(node.users)
    while len(readers) == 1 and _is(graph, readers[0], (*_MOVING, *_CLIPPING), (*_MOVING_NAMES, *_CLIPPING_NAMES)):
        readers = list(readers[0].users)
    return bool(floats) and all(is_computing(graph, one) and str(one.target) in floats for one in readers)


def _is_integer(graph: fx.GraphModule, node: fx.Node) -> bool:
    return is_computing(graph, node) or _is(graph, node, _POOLING, _COMBINING_NAMES)


def is_computing(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Tell whether a node is a layer whose weights are rounded."""
    return _is(graph, node, _COMPUTING, ())


def _is(graph: fx.GraphModule, node: fx.Node, layers: tuple[type[nn.Module], ...], names: tuple[str, ...]) -> bool:
    if node.op == "call_module":
        return isinstance(graph.get_submodule(str(node.target)), layers)
    if node.op in ("call_function", "call_method"):
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
        return name in names
    return False


def _tensor_inputs(node: fx.Node) -> Iterator[fx.Node]:
    for source in node.all_input_nodes:
        if source.op != "get_attr" and "tensor_meta" in source.meta:
            yield source


def _with_clipping(graph: fx.GraphModule, node: fx.Node) -> fx.Node:
    users = list(node.users)
    if len(users) == 1 and _is(graph, users[0], _CLIPPING, _CLIPPING_NAMES):
        return users[0]
    if len(users) == 1 and _is(graph, users[0], (nn.Identity,), ()):
        return _with_clipping(graph, users[0])
    return node


def _origin(graph: fx.GraphModule, node: fx.Node) -> fx.Node:
    return list(_path_to_origin(graph, node))[-1]


def _path_to_origin(graph: fx.GraphModule, node: fx.Node) -> Iterator[fx.Node]:
    """Yield a node and those it took its numbers from unchanged, back to where they were made."""
    yield node
    while _is(graph, node, _MOVING, _MOVING_NAMES) and node.all_input_nodes:
        node = node.all_input_nodes[0]
        if "tensor_meta" in node.meta:
            yield node
