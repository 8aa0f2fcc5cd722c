"""The source network as a list of calls, in a form whose conversions keep the number of each call in their names.

A converter that traces a module names each node after the submodule it came from. So the network is run once more with
one submodule around each call, `call_0`, `call_1` …: whatever an engine then says of "/call_17/Conv" is known to be of
call 17, and no name has to be guessed.
"""

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from lissome.core.module_graph import run_once, trace

_LABEL = re.compile(r"(?<![A-Za-z0-9_])call_(\d+)(?!\d)")
_OUTPUT = re.compile(r"output(\d*)(?![A-Za-z0-9])")  # what `to_onnx` calls the outputs


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a layer or operator.

    Args:
        layer: Path of the layer, or name of the operator's node, as in a profile.
        kind: Class or operator.
        inputs: Numbers of the calls it reads.
    """

    layer: str
    kind: str
    inputs: tuple[int, ...]


def traced(model: nn.Module, inputs: tuple[Tensor, ...] | None = None) -> fx.GraphModule:
    """Return a network's graph with the names that a profile has.

    Args:
        model: A traceable module.
        inputs: Example inputs, for a forward that can only be traced by running it.

    Example:
        >>> [node.op for node in traced(nn.Conv2d(3, 4, 1)).graph.nodes]
        ['placeholder', 'call_module', 'output']
    """
    # A single layer of torch would be traced into; inside of something it is one call like any other.
    is_layer = type(model).__module__.startswith("torch.nn.") and not any(model.children())
    return trace(nn.Sequential(model) if is_layer else model, inputs)


def calls_of(graph: fx.GraphModule) -> tuple[Call, ...]:
    """Return the calls of a traced network in order of execution.

    Example:
        >>> [one.kind for one in calls_of(trace(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())))]
        ['Conv2d', 'ReLU']
    """
    nodes = [node for node in graph.graph.nodes if node.op.startswith("call_")]
    numbers = {node.name: number for number, node in enumerate(nodes)}
    return tuple(_call(graph, node, numbers) for node in nodes)


def _call(graph: fx.GraphModule, node: fx.Node, numbers: Mapping[str, int]) -> Call:
    if node.op == "call_module":
        layer, kind = str(node.target), type(graph.get_submodule(str(node.target))).__name__
    else:
        layer = node.name
        kind = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    return Call(layer, kind, tuple(numbers[one.name] for one in node.all_input_nodes if one.name in numbers))


class SourceGraph(nn.Module):
    """A copy of a network that runs call by call.

    Args:
        model: A traceable module; left as it was.
        inputs: Example inputs, for a forward that can only be traced by running it.

    Example:
        >>> source = SourceGraph(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()))
        >>> [(one.layer, one.inputs) for one in source.source_calls]
        [('0', ()), ('1', (0,))]
        >>> number_in("fused /call_1/Relu")
        1
    """

    def __init__(self, model: nn.Module, inputs: tuple[Tensor, ...] | None = None) -> None:
        super().__init__()
        self.eval()
        graph = traced(copy.deepcopy(model).eval(), inputs)
        self._graph: fx.GraphModule
        object.__setattr__(self, "_graph", graph)  # no submodule: its layers live in the calls
        nodes = [node for node in graph.graph.nodes if node.op.startswith("call_")]
        self._numbers = {node.name: number for number, node in enumerate(nodes)}
        self.source_calls = calls_of(graph)
        returned = [one for node in graph.graph.nodes if node.op == "output" for one in node.all_input_nodes]
        self.output_calls = tuple(self._numbers.get(one.name) for one in returned)
        for number, node in enumerate(nodes):
            self.add_module(f"call_{number}", _wrapped(graph, node))

    def forward(self, *inputs: Tensor) -> Any:
        """Run the network."""
        return CallInterpreter(self).run(*inputs)

    def outputs_of_calls(self, inputs: tuple[Tensor, ...]) -> dict[int, Tensor]:
        """Return what each call makes, for those that make one tensor."""
        found: dict[int, Tensor] = {}
        run_once(_Recording(self, found), inputs)
        return found

    def number_of(self, node: fx.Node) -> int:
        """Return the number of a node that is a call."""
        return self._numbers[node.name]


class _Layer(nn.Module):
    """A call of a layer."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.layer(*args, **kwargs)


class _Operator(nn.Module):
    """A call of a function, or of a tensor's method by its name."""

    def __init__(self, target: Callable[..., Any] | str) -> None:
        super().__init__()
        self._target = target

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self._target, str):
            return getattr(args[0], self._target)(*args[1:], **kwargs)
        return self._target(*args, **kwargs)


def _wrapped(graph: fx.GraphModule, node: fx.Node) -> nn.Module:
    return _Layer(graph.get_submodule(str(node.target))) if node.op == "call_module" else _Operator(node.target)


class CallInterpreter(fx.Interpreter):
    """Runs a source graph; what a subclass does around each call it says in `call`."""

    def __init__(self, source: SourceGraph) -> None:
        super().__init__(source._graph)
        self._source = source

    def fetch_attr(self, target: str) -> Any:
        """Return a parameter that the forward reads itself, as a constant."""
        value = super().fetch_attr(target)
        return value.detach() if isinstance(value, Tensor) else value  # a trace holds no constant with a gradient

    def run_node(self, n: fx.Node) -> Any:
        """Run one node of the graph."""
        if not n.op.startswith("call_"):
            return super().run_node(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        number = self._source.number_of(n)
        return self.call(number, self._source.get_submodule(f"call_{number}"), args, kwargs)

    def call(self, number: int, wrapped: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run one call and return what it makes."""
        return wrapped(*args, **kwargs)


class _Recording(nn.Module):
    def __init__(self, source: SourceGraph, found: dict[int, Tensor]) -> None:
        super().__init__()
        self._source, self._found = source, found

    def forward(self, *inputs: Tensor) -> Any:
        found = self._found

        class Recorder(CallInterpreter):
            def call(self, number: int, wrapped: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
                value = super().call(number, wrapped, args, kwargs)
                if isinstance(value, Tensor):
                    found[number] = value.clone()  # a later call may work in place
                return value

        return Recorder(self._source).run(*inputs)


def number_in(name: str, output_calls: Sequence[int | None] = ()) -> int | None:
    """Return the number of the call that an engine's name tells of, or None.

    Args:
        name: The engine's name of a node: a node that makes an output of the network may bear that output's name.
        output_calls: The calls that make the outputs.

    Example:
        >>> number_in("/call_3/layer/Conv"), number_in("output_nchwc", [7]), number_in("ReorderOutput_1", [7])
        (3, 7, None)
    """
    match = _LABEL.search(name)
    if match:
        return int(match[1])
    made = _OUTPUT.match(name.replace("_nchwc", ""))
    place = int(made[1] or 1) - 1 if made else len(output_calls)
    return output_calls[place] if place < len(output_calls) else None


def input_noise(shapes: tuple[tuple[int, ...], ...], seed: int) -> tuple[Tensor, ...]:
    """Return seeded noise of the given shapes: time does not depend on what the pictures show."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)
