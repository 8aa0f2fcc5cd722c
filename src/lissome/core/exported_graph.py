"""A forward that torch.fx cannot trace, by torch.export: written back as calls of the module's own layers.

torch.export runs the forward, so that iteration over a tensor, `float()` of a size and control flow on shapes are no
matter. What it returns is a list of aten operators; here those of one layer's call become that call again, and the
others the torch functions they stand for. Sides of the image become numbers; the batch stays free where it can.
"""

import contextlib
import inspect
import io
import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import Dim, ExportedProgram
from torch.utils import _pytree as pytree

from lissome.core.aten import as_torch
from lissome.core.errors import TraceError


def exported_graph(model: nn.Module, inputs: tuple[Tensor, ...], is_layer: Any) -> fx.GraphModule:
    """Return the forward as a graph that shares the module's layers and parameters.

    Args:
        model: A module in evaluation mode.
        inputs: Example inputs with a batch axis first; their values do not matter to what is traced.
        is_layer: Tells of a module and its path whether its call is one node.

    Raises:
        TraceError: The forward depends on values, uses an operator without a name in torch, or computes something else
            when it is put together again.
    """
    with torch.no_grad():
        expected = pytree.tree_leaves(model(*inputs))
    problem = "has no graph"
    for program in _programs(model, inputs):
        graph = _Rebuilt(model, program, is_layer).graph_module()
        try:
            with torch.no_grad():
                computed = pytree.tree_leaves(graph(*inputs))
        except RuntimeError as error:  # numbers of this batch were written into the graph of another
            problem = f"fails: {str(error).splitlines()[0].partition('. ')[0]}"
            continue
        if len(computed) == len(expected) and all(map(_alike, computed, expected)):
            return graph
        problem = "computes something else than the module when called again; does it draw at random?"
    raise TraceError(f"its graph {problem}")


def _alike(one: Any, other: Any) -> bool:
    if not isinstance(one, Tensor):
        return bool(one == other)
    if one.shape != other.shape or not one.is_floating_point():
        return one.shape == other.shape and bool((one == other).all())
    return torch.allclose(one, other, rtol=1e-3, atol=1e-4 * float(other.abs().max()), equal_nan=True)


def _programs(model: nn.Module, inputs: tuple[Tensor, ...]) -> Any:
    """Yield the program for any batch, then that for the example's."""
    # A size of one is taken for a constant, so the batch must be larger for the program to hold for all.
    several = tuple(torch.cat([one, one]) if one.dim() and len(one) == 1 else one for one in inputs)
    axes = tuple({0: Dim.AUTO} if one.dim() else {} for one in inputs)
    # This may be a forward for one batch only; what else is wrong, the next one says.
    with contextlib.suppress(RuntimeError, TypeError, ValueError, AssertionError):
        yield _exported(model, several, _named(model, axes))
    yield _exported(model, inputs)


def _exported(model: nn.Module, inputs: tuple[Tensor, ...], axes: dict[str, Any] | None = None) -> ExportedProgram:
    """Export, without the graphs that torch prints where it fails: the error says what is wrong."""
    logger = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return torch.export.export(model, inputs, dynamic_shapes=axes, strict=False)
    finally:
        logger.setLevel(level)


def _named(model: nn.Module, axes: Sequence[dict[int, Any]]) -> dict[str, Any]:
    """Return the axes by the names of the forward's arguments."""
    arguments = list(inspect.signature(model.forward).parameters.values())
    if arguments and arguments[0].kind is inspect.Parameter.VAR_POSITIONAL:
        return {arguments[0].name: tuple(axes)}
    return {one.name: axis for one, axis in zip(arguments, axes, strict=False)}


class _Rebuilt:
    """Copies an exported program into a graph of layers and torch functions."""

    def __init__(self, model: nn.Module, program: ExportedProgram, is_layer: Any) -> None:
        self.model, self.is_layer = model, is_layer
        self.source: fx.GraphModule = program.module()
        self.structure = program.call_spec.out_spec
        self.graph = fx.Graph()
        self.copies: dict[fx.Node, Any] = {}
        self.root: dict[str, Any] = {}
        self.calls = {node: call for node in self.source.graph.nodes if (call := self._call_of(node)) is not None}

    def graph_module(self) -> fx.GraphModule:
        """Return the module; called once."""
        nodes = list(self.source.graph.nodes)
        for node in nodes:
            if node not in self.copies:
                self._copy(node, nodes)
        for node in reversed(list(self.graph.nodes)):
            if not node.users and node.op in ("get_attr", "call_function") and not str(node.name).endswith("_"):
                self.graph.erase_node(node)
        self.graph.lint()
        module = fx.GraphModule(self.root, self.graph, type(self.model).__name__)
        module.train(self.model.training)
        return module

    def _copy(self, node: fx.Node, nodes: Sequence[fx.Node]) -> None:
        if node.op == "placeholder":
            self.copies[node] = self.graph.placeholder(str(node.target))
        elif node.op == "get_attr":
            self.copies[node] = self._attribute(str(node.target))
        elif node.op == "output":
            flat: Any = node.args[0]
            leaves = [self.copies[one] if isinstance(one, fx.Node) else one for one in flat]
            self.graph.output(pytree.tree_unflatten(leaves, self.structure))
        elif node.op == "call_function":
            self._call(node, nodes)

    def _call(self, node: fx.Node, nodes: Sequence[fx.Node]) -> None:
        path, ends = self._layer_call(node, nodes)
        if path is not None:
            entry, leaves = ends
            self.root[path] = self.model.get_submodule(path)
            made = self.graph.call_module(path, (self.copies[entry],))
            self.copies[leaves] = made
            return
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), self.copies.__getitem__)
        self.copies[node] = as_torch(self.graph, node, args, kwargs)

    def _layer_call(self, node: fx.Node, nodes: Sequence[fx.Node]) -> tuple[str | None, Any]:
        """Return the layer whose call begins here, with what enters and what leaves; (None, …) if none does."""
        call = self.calls.get(node)
        if call is None:
            return None, None
        inside = [one for one in nodes if self.calls.get(one) == call]
        within = set(inside)
        entries = {source for one in inside for source in one.all_input_nodes} - within
        entries = {one for one in entries if one.op != "get_attr" and isinstance(one.meta.get("val"), Tensor)}
        leaving = [one for one in inside if any(user not in within for user in one.users)]
        if len(entries) != 1 or len(leaving) != 1 or not isinstance(leaving[0].meta.get("val"), Tensor):
            return None, None
        if any(source not in self.copies and source not in within for one in inside for source in one.all_input_nodes):
            return None, None
        for one in inside:
            self.copies.setdefault(one, None)
        return call[1], (entries.pop(), leaving[0])

    def _call_of(self, node: fx.Node) -> tuple[str, str] | None:
        """Return the call of the outermost layer that a node is part of: (a key of the call, the layer's path)."""
        for key, (path, _) in (node.meta.get("nn_module_stack") or {}).items():
            layer = self._module(path)
            if layer is not None and self.is_layer(layer, path) and _takes_one(layer):
                return key, path
        return None

    def _module(self, path: str) -> nn.Module | None:
        try:
            return self.model.get_submodule(path) if path else None
        except AttributeError:
            return None

    def _attribute(self, path: str) -> fx.Node:
        owner, _, name = path.rpartition(".")
        known = self._module(owner) if owner else self.model
        value = getattr(known, name, None)
        if not isinstance(value, Tensor):  # made by the forward itself
            value = self.source
            for part in path.split("."):
                value = getattr(value, part)
            path = f"_tensor_constant{len(self.root)}"
        self.root[path] = value
        return self.graph.get_attr(path)


def _takes_one(layer: nn.Module) -> bool:
    """Tell whether a layer's call can be written down by what it reads: one tensor, all else at its default."""
    if getattr(layer, "return_indices", False):
        return False
    arguments = list(inspect.signature(layer.forward).parameters.values())
    required = [one for one in arguments if one.default is inspect.Parameter.empty]
    return len(required) == 1 and required[0].kind is not inspect.Parameter.VAR_POSITIONAL
