"""Slices with a step, written as pooling, for engines whose slices have none.

    x[:, :, ::s, ::t]    =  max_pool(x, window 1x1, stride (s, t))
    x[:, :, a::s, b::t]  =  depthwise convolution of x, window (a + 1)x(b + 1), stride (s, t), whose last weight is 1

The maximum of one value is that value, and 1 times a value plus zeros is that value, so both are exact. The second form
is for inputs of free size: pnnx drops a slice whose end depends on the size.
"""

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional

from lissome.core.module_graph import trace


def without_strided_slices(model: nn.Module, inputs: tuple[Tensor, ...], *, free_sizes: bool = False) -> nn.Module:
    """Return a module that computes the same without slices that step through rows or columns.

    Args:
        model: A traceable module, left as it was.
        inputs: Example inputs.
        free_sizes: Whether rows and columns of the input may change.

    Raises:
        TraceError: The forward cannot be traced.

    Example:
        >>> class Thin(nn.Module):
        ...     def forward(self, x):
        ...         return x[:, :, ::2, 1::2]
        >>> x = torch.rand(1, 1, 5, 5)
        >>> torch.equal(without_strided_slices(Thin(), (x,))(x), Thin()(x))
        True
    """
    graph = trace(model, inputs)
    with torch.no_grad():
        ShapeProp(graph).propagate(*inputs)
    for node in list(graph.graph.nodes):
        slices = _strided(node)
        if slices is not None:
            if free_sizes and _starts_later(slices):
                _select(graph, node, slices)
            else:
                _rewrite(graph.graph, node, slices)
    graph.graph.lint()
    graph.recompile()
    return graph


def _strided(node: fx.Node) -> list[slice] | None:
    """Return four slices if the node takes every so-manyth row or column of a 4-D float tensor."""
    if node.op != "call_function" or node.target is not operator.getitem or not isinstance(node.args[0], fx.Node):
        return None
    meta: Any = node.args[0].meta.get("tensor_meta")
    if not hasattr(meta, "dtype") or not meta.dtype.is_floating_point or len(meta.shape) != 4:
        return None
    slices = _in_full(node.args[1])
    steps = [_step(one) for one in slices or ()]
    return slices if steps[:2] == [1, 1] and all(steps) and max(steps) > 1 else None


def _in_full(index: Any) -> list[slice] | None:
    """Return one slice for each of four dimensions, or None if the index holds anything but slices."""
    entries = list(index) if isinstance(index, tuple) else [index]
    if Ellipsis in entries:
        place = entries.index(Ellipsis)
        entries[place : place + 1] = [slice(None)] * (5 - len(entries))
    entries += [slice(None)] * (4 - len(entries))
    return entries if len(entries) == 4 and all(isinstance(one, slice) for one in entries) else None


def _step(one: slice) -> int:
    """Return the step, or 0 where only running the network tells it."""
    step = 1 if one.step is None else one.step
    return step if isinstance(step, int) else 0


def _starts_later(slices: list[slice]) -> bool:
    """Tell whether rows or columns start behind the first and run to the end, by numbers that are known."""
    starts = [one.start or 0 for one in slices[2:]]
    to_the_end = all(one.stop is None for one in slices[2:])
    return to_the_end and all(isinstance(one, int) and one >= 0 for one in starts) and max(starts) > 0


def _select(graph: fx.GraphModule, node: fx.Node, slices: list[slice]) -> None:
    source: Any = node.args[0]
    rows, columns = (int(one.start or 0) for one in slices[2:])
    plain = tuple(slices[:2])
    with graph.graph.inserting_before(node):
        if any(one != slice(None) for one in plain):
            source = graph.graph.call_function(operator.getitem, (source, (*plain, slice(None), slice(None))))
        channels = int(node.meta["tensor_meta"].shape[1])
        stride = (_step(slices[2]), _step(slices[3]))
        picker = nn.Conv2d(channels, channels, (rows + 1, columns + 1), stride, groups=channels, bias=False)
        with torch.no_grad():
            picker.weight.zero_()[:, :, -1, -1] = 1.0
        name = f"picker_{node.name}"
        graph.add_submodule(name, picker.eval())
        picked = graph.graph.call_module(name, (source,))
    node.replace_all_uses_with(picked)
    graph.graph.erase_node(node)


def _rewrite(graph: fx.Graph, node: fx.Node, slices: list[slice]) -> None:
    source = node.args[0]
    plain = tuple(slice(one.start, one.stop) for one in slices)
    with graph.inserting_before(node):
        if any(one != slice(None) for one in plain):
            source = graph.call_function(operator.getitem, (source, plain))
        pooled = graph.call_function(functional.max_pool2d, (source, 1, (_step(slices[2]), _step(slices[3]))))
    node.replace_all_uses_with(pooled)
    graph.erase_node(node)
