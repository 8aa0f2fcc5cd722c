"""Where an engine begins to compute something else: found by halving, with the engine itself.

Each try converts the network up to one layer, runs it in the engine and compares. So the answer needs no list of names
that match between two graphs, and works for every engine.
"""

import operator
import tempfile
from pathlib import Path

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp, TensorMetadata

from lissome.core.errors import LissomeError, ParityError, TraceError
from lissome.core.module_graph import trace
from lissome.exporting.converters import CONVERTERS, Examples
from lissome.exporting.parity import Limits, compare
from lissome.exporting.samples import Samples
from lissome.runtimes.table import get_runtime
from lissome.runtimes.torch import flat_outputs


def first_divergence(
    engine: str, model: nn.Module, samples: Samples, limits: Limits, larger: Samples | None = None
) -> str | None:
    """Return the first layer after which the engine's numbers are beyond the limits, and by how much.

    Args:
        engine: Name of the runtime.
        model: The network that the engine gets wrong.
        samples: What both run.
        limits: What counts as wrong.
        larger: Samples of another size that the files were made for, too.

    Returns:
        The layer and the difference in words; None where the network cannot be cut, or its parts agree.
    """
    try:
        graph = trace(model)
    except TraceError:
        return None
    with torch.no_grad():
        ShapeProp(graph).propagate(*samples.inputs)
    nodes = [node for node in graph.graph.nodes if _comparable(node, len(samples.inputs[0]))]
    low, high, found = -1, len(nodes) - 1, None
    while high - low > 1 or (found is None and high >= 0):
        middle = (low + high + 1) // 2 if found is not None else high
        wrong = _wrong(engine, up_to(graph, nodes[middle]), samples, limits, larger)
        if wrong is None:
            if middle == high:
                return None
            low = middle
        else:
            found, high = f"{_layer(nodes[middle])} ({wrong})", middle
    return found


def up_to(graph: fx.GraphModule, last: fx.Node) -> fx.GraphModule:
    """Return the network that ends with a node; layers are shared with the whole."""
    cut = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in graph.graph.nodes:
        copies[node] = cut.node_copy(node, lambda one: copies[one])
        if node is last:
            break
    cut.output(copies[last])
    part = fx.GraphModule(graph, cut, type(graph).__name__)
    part.graph.eliminate_dead_code()
    part.recompile()
    return part


def _comparable(node: fx.Node, batch: int) -> bool:
    meta = node.meta.get("tensor_meta")
    if node.op not in ("call_module", "call_function", "call_method") or not isinstance(meta, TensorMetadata):
        return False
    return meta.dtype.is_floating_point and len(meta.shape) >= 2 and meta.shape[0] == batch


def _wrong(engine: str, model: nn.Module, samples: Samples, limits: Limits, larger: Samples | None) -> str | None:
    """Return what is wrong with a part of the network in the engine, or None."""
    try:
        with tempfile.TemporaryDirectory(prefix="lissome-part-") as folder, torch.no_grad():
            conversion = CONVERTERS[engine](
                model, Examples(samples.single, larger.single if larger else None), Path(folder)
            )
            outputs = get_runtime(engine).load(folder).run(*(one.numpy() for one in samples.inputs))
            expected = [one.numpy() for one in flat_outputs(conversion.reference(*samples.inputs))]
        return compare(expected, outputs, engine=engine, limits=limits).failure
    except ParityError as error:
        return error.what
    except LissomeError:
        return None  # a part that cannot be converted says nothing of the numbers


def _layer(node: fx.Node) -> str:
    if node.op == "call_module":
        return str(node.target)
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    return f"{node.name}, {name}" if node.target is not operator.getitem else node.name
