"""What a network costs, layer by layer: parameters, multiply-adds, bytes moved."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call

from lissome.core.errors import ShapeError
from lissome.core.module_graph import run_once, trace
from lissome.core.text_table import render
from lissome.profiling.counting import macs_of_function, macs_of_layer

_FREE = ("getattr", "size", "dim", "getitem")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One call of one layer or operator.

    Args:
        layer: Path of the layer, or name of the operator's node.
        kind: Class or operator.
        inputs: Shapes of what it reads.
        output: Shape of what it makes.
        params: Parameters; a layer called again counts 0.
        macs: Multiply-adds of convolutions and fully connected layers.
        bytes_moved: float32 bytes read (inputs, weights) and written.
    """

    layer: str
    kind: str
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    params: int
    macs: int
    bytes_moved: int

    @property
    def macs_per_byte(self) -> float:
        """Multiply-adds for each byte moved."""
        return self.macs / self.bytes_moved if self.bytes_moved else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain values."""
        names = ("layer", "kind", "params", "macs", "bytes_moved")
        shapes = {"inputs": [list(one) for one in self.inputs], "output": list(self.output)}
        return {name: getattr(self, name) for name in names} | shapes | {"macs_per_byte": self.macs_per_byte}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The cost of a network for one input: rows in order of execution, and totals.

    Args:
        name: The network.
        inputs: Shapes of the inputs.
        rows: One for each call.
        params: Parameters, each counted once.
        macs: Multiply-adds of convolutions and fully connected layers.
        bytes_moved: float32 bytes read and written, over all calls.
    """

    name: str
    inputs: tuple[tuple[int, ...], ...]
    rows: tuple[Row, ...]
    params: int
    macs: int
    bytes_moved: int

    def to_dict(self) -> dict[str, Any]:
        """Return the profile as plain values."""
        return {
            "name": self.name,
            "inputs": [list(one) for one in self.inputs],
            "params": self.params,
            "macs": self.macs,
            "bytes_moved": self.bytes_moved,
            "rows": [row.to_dict() for row in self.rows],
        }

    def __str__(self) -> str:
        columns = ("layer", "kind", "output", "params", "MACs", "bytes", "MACs/byte")
        cells = [
            (
                *(row.layer, row.kind, "x".join(map(str, row.output))),
                *(f"{number:,}" for number in (row.params, row.macs, row.bytes_moved)),
                f"{row.macs_per_byte:.2f}",
            )
            for row in self.rows
        ]
        total = ("total", "", "", f"{self.params:,}", f"{self.macs:,}", f"{self.bytes_moved:,}", "")
        return render(columns, [*cells, total], title=self.name, left=3)


def profile(model: nn.Module, input: Sequence[int] | Tensor | tuple[Tensor, ...]) -> Profile:
    """Count what a network costs. Nothing is computed: only shapes run through the network.

    Args:
        model: A traceable module; it is left as it was.
        input: Shape of its one input, e.g. ``(1, 3, 224, 224)``, or example tensors.

    Raises:
        TraceError: The forward cannot be traced.
        ShapeError: The network does not take this input.

    Example:
        >>> cost = profile(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()), (1, 3, 4, 4))
        >>> cost.params, cost.macs, [row.layer for row in cost.rows]
        (224, 3456, ['0', '1'])
    """
    inputs = _meta_inputs(input)
    graph = trace(model)
    tensors = dict(graph.named_parameters()) | dict(graph.named_buffers())
    # Parameters without numbers stand in for the real ones, so that even the largest network takes milliseconds.
    light = {f"graph.{name}": tensor.to("meta") for name, tensor in tensors.items()}
    recorder = _Recorder(graph)
    run_once(_Substituted(recorder, light), inputs)
    rows = tuple(recorder.rows)
    return Profile(
        name=type(model).__name__,
        inputs=tuple(tuple(one.shape) for one in inputs),
        rows=rows,
        params=sum(one.numel() for one in model.parameters()),
        macs=sum(row.macs for row in rows),
        bytes_moved=sum(row.bytes_moved for row in rows),
    )


def _meta_inputs(given: Sequence[int] | Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    if isinstance(given, Tensor):
        return (given.to("meta"),)
    tensors = tuple(one.to("meta") for one in given if isinstance(one, Tensor))
    return tensors or (torch.empty(tuple(given), device="meta"),)  # type: ignore[arg-type]


class _Substituted(nn.Module):
    """A network run with other parameters; keeps them out of `parameters()`."""

    def __init__(self, network: nn.Module, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self.network, self.tensors = network, tensors

    def forward(self, *inputs: Tensor) -> Any:
        return functional_call(self.network, self.tensors, inputs)


class _Recorder(nn.Module):
    """Runs a traced graph and makes a row of each call."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__()
        self.graph = graph
        self.rows: list[Row] = []

    def forward(self, *inputs: Tensor) -> Any:
        self.rows.clear()
        return _RowInterpreter(self.graph, self.rows).run(*inputs)


class _RowInterpreter(fx.Interpreter):
    def __init__(self, graph: fx.GraphModule, rows: list[Row]) -> None:
        super().__init__(graph)
        self.rows = rows
        self._counted: set[int] = set()

    def fetch_attr(self, target: str) -> Any:
        value = super().fetch_attr(target)
        return value.to("meta") if isinstance(value, Tensor) else value

    def run_node(self, n: fx.Node) -> Any:
        try:
            value = super().run_node(n)
        except RuntimeError as error:
            what = f"the forward fails: {str(error).splitlines()[0]}"
            raise ShapeError(what, where=str(n.target), fix="give the input shape the network takes") from error
        name = str(n.target) if isinstance(n.target, str) else getattr(n.target, "__name__", str(n.target))
        if n.op.startswith("call_") and isinstance(value, Tensor) and name not in _FREE:
            self.rows.append(self._row(n, name, value))
        return value

    def _row(self, node: fx.Node, name: str, value: Tensor) -> Row:
        args = tuple(
            self.env.get(one) if isinstance(one, fx.Node) else one for one in (*node.args, *node.kwargs.values())
        )
        read = [self.env[one].shape for one in node.all_input_nodes if isinstance(self.env.get(one), Tensor)]
        weights = 0
        if node.op == "call_module":
            layer = self.fetch_attr(name)
            fresh = [one for one in layer.parameters() if id(one) not in self._counted]
            self._counted |= {id(one) for one in fresh}
            params, weights = sum(one.numel() for one in fresh), sum(one.numel() for one in layer.parameters())
            macs, path, kind = macs_of_layer(layer, read, value.shape), name, type(layer).__name__
        else:
            params, macs, path, kind = 0, macs_of_function(node, args, value.shape), node.name, name
        moved = 4 * (sum(math.prod(one) for one in read) + weights + value.numel())
        inputs = tuple(tuple(one) for one in read)
        return Row(
            layer=path, kind=kind, inputs=inputs, output=tuple(value.shape), params=params, macs=macs, bytes_moved=moved
        )
