"""Run a network on shapes alone and note every call, in order of execution."""

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call

from lissome.core.errors import LissomeError, ShapeError, TraceError
from lissome.core.module_graph import evaluation_mode, trace, trace_graph
from lissome.profiling.call import Call
from lissome.profiling.handlers import is_elementwise, operator_of
from lissome.profiling.shapes import quick_result

_PARTS = frozenset(("getitem", "getattr"))


@dataclass(frozen=True, slots=True)
class Walk:
    """What happened on the way.

    Args:
        calls: Calls that made a tensor, in order of execution.
        given: Numbers of each input, by the activation's id.
        returned: Ids of the activations that the network returns.
    """

    calls: tuple[Call, ...]
    given: dict[int, int]
    returned: frozenset[int]


def walk(model: nn.Module, inputs: Sequence[Tensor]) -> Walk:
    """Run a network on tensors without values.

    Args:
        model: A traceable module, left as it was.
        inputs: Tensors on the device "meta".

    Raises:
        TraceError: The forward cannot be traced.
        ShapeError: The forward fails on these inputs; names the layer.
    """
    # A single layer of torch would be traced into; inside of something it is one call like any other.
    is_layer = type(model).__module__.startswith("torch.nn.") and not any(model.children())
    network = nn.Sequential(model) if is_layer else model
    with torch.no_grad(), evaluation_mode(network):
        try:
            # A graph needs no tracing; it is only read here.
            graph = network.graph if isinstance(network, fx.GraphModule) else trace_graph(network)
        except TraceError:
            numbers = tuple(torch.zeros(one.shape, dtype=one.dtype) for one in inputs)
            module = trace(network, numbers)
            network, graph = module, module.graph
        return _Walker(network).run(graph, inputs)


@dataclass(slots=True)
class _Walker:
    model: nn.Module
    values: dict[fx.Node, Any] = field(default_factory=dict)
    homes: dict[fx.Node, int] = field(default_factory=dict)
    given: dict[int, int] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    counted: set[int] = field(default_factory=set)

    def run(self, graph: fx.Graph, inputs: Sequence[Tensor]) -> Walk:
        """Go through the nodes in order."""
        rest = iter(inputs)
        returned: frozenset[int] = frozenset()
        for node in graph.nodes:
            if node.op == "placeholder":
                self._take(node, rest)
            elif node.op == "get_attr":
                value = operator.attrgetter(str(node.target))(self.model)
                self.values[node] = value.to("meta") if isinstance(value, Tensor) else value
            elif node.op == "output":
                returned = frozenset(self.homes[one] for one in node.all_input_nodes if one in self.homes)
            else:
                self._call(node)
        if next(rest, None) is not None:
            raise ShapeError(
                f"got {len(inputs)} inputs", where=type(self.model).__name__, fix="give as many as the forward takes"
            )
        return Walk(tuple(self.calls), self.given, returned)

    def _take(self, node: fx.Node, rest: Iterator[Tensor]) -> None:
        value: Any = next(rest, None)
        if value is None:
            if not node.args:
                raise ShapeError("has no value", where=f"input {node.target}", fix="give an input for each argument")
            value = node.args[0]
        self.values[node] = value
        if isinstance(value, Tensor):
            self.homes[node] = self._new_id()
            self.given[self.homes[node]] = value.numel()

    def _new_id(self) -> int:
        return len(self.values)  # grows with each node

    def _call(self, node: fx.Node) -> None:
        args = fx.node.map_arg(node.args, self.values.__getitem__)
        kwargs = fx.node.map_arg(node.kwargs, self.values.__getitem__)
        path = str(node.target) if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        layer = self.model.get_submodule(path) if node.op == "call_module" else None
        name = path if layer is None else operator_of(layer)
        try:
            value = quick_result(name, layer, args, kwargs)
            if value is None:
                value = _run(node, layer, args, kwargs)
        except LissomeError:
            raise
        except Exception as error:
            first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            what = f"the forward fails: {first_line}"
            raise ShapeError(what, where=path, fix="give the input shape the network takes") from error
        self.values[node] = value
        made = _tensors(value)
        if made:
            self._note(node, (path, name, layer), (args, kwargs), made)

    def _note(
        self,
        node: fx.Node,
        names: tuple[str, str, nn.Module | None],
        given: tuple[Sequence[Any], dict[str, Any]],
        made: list[Tensor],
    ) -> None:
        path, name, layer = names
        sources = [tensor for one in node.all_input_nodes for tensor in _tensors(self.values[one])]
        activations = [one for one in node.all_input_nodes if one in self.homes]
        shared = None if is_elementwise(name) else _shares(made, [(one, self.values[one]) for one in activations])
        self.homes[node] = self.homes[shared] if shared is not None else self._new_id()
        if name in _PARTS and shared is not None:
            return  # a part or another look of what is already there
        params, weights = self._parameters(node, layer)
        self.calls.append(
            Call(
                path=node.name if layer is None else path,
                scope=next(reversed(node.meta.get("nn_module_stack", {})), "") if layer is None else path,
                kind=name if layer is None else type(layer).__name__,
                operator=name,
                layer=layer,
                args=given[0],
                kwargs=given[1],
                inputs=tuple(tuple(one.shape) for one in sources),
                outputs=tuple(tuple(one.shape) for one in made),
                params=params,
                weights=weights,
                reads=tuple(self.homes[one] for one in activations),
                makes=None if shared is not None else self.homes[node],
                is_view=shared is not None,
            )
        )

    def _parameters(self, node: fx.Node, layer: nn.Module | None) -> tuple[int, int]:
        """Return parameters that are counted here for the first time, and numbers read beside the inputs."""
        if layer is not None:
            own = list(layer.parameters())
            weights = sum(one.numel() for one in own)
        else:
            attributes = [str(one.target) for one in node.all_input_nodes if one.op == "get_attr"]
            found = [operator.attrgetter(one)(self.model) for one in attributes]
            own, weights = [one for one in found if isinstance(one, nn.Parameter)], 0
        fresh = [one for one in own if id(one) not in self.counted]
        self.counted.update(map(id, fresh))
        return sum(one.numel() for one in fresh), weights


def _run(node: fx.Node, layer: nn.Module | None, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Let torch run the call on tensors without values."""
    if layer is not None:
        own = (*layer.named_parameters(), *layer.named_buffers())
        light = {name: torch.empty_like(one, device="meta") for name, one in own}
        return functional_call(layer, light, tuple(args), kwargs)
    # New tensors are without values as well.
    with torch.device("meta"):
        return _call(node, args, kwargs)


def _call(node: fx.Node, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    assert callable(node.target)
    return node.target(*args, **kwargs)


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    return [one for entry in value for one in _tensors(entry)] if isinstance(value, tuple | list) else []


def _shares(made: list[Tensor], read: list[tuple[fx.Node, Any]]) -> fx.Node | None:
    """Return the input of which the result is a view, if it is one."""
    home = made[0].untyped_storage()._cdata
    for node, value in read:
        if any(one.untyped_storage()._cdata == home for one in _tensors(value)):
            return node
    return None
