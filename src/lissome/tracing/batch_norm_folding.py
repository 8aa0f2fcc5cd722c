"""Folding batch normalisation into the layer before it, for every step that needs it done."""

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvTransposeNd
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

from lissome.core.module_graph import trace
from lissome.core.outcome import Note
from lissome.layers.folded_norm import FoldedNorm

_FOLDABLE = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, _ConvTransposeNd)


def fold_batch_norms(
    model: nn.Module, inputs: tuple[Tensor, ...] | None = None, *, remember: bool = False
) -> tuple[Note, ...]:
    """Fold each batch normalisation of a model, in place, where that leaves the outputs equal.

    ``w' = w γ / sqrt(σ² + ε)``, ``b' = β + (b - μ) γ / sqrt(σ² + ε)``; the normalisation becomes an identity, and the
    model is left in evaluation mode.

    Args:
        model: What is changed.
        inputs: Example inputs, for a forward that only running it can trace.
        remember: Leave an identity that knows mean and deviation of each channel (`FoldedNorm`).

    Returns:
        One note a normalisation: folded, or why not.

    Raises:
        TraceError: The model cannot be traced.
    """
    model.eval()
    graph = trace(model, inputs)
    calls = [str(node.target) for node in graph.graph.nodes if node.op == "call_module"]
    notes = []
    for node in graph.graph.nodes:
        if node.op != "call_module" or not isinstance(graph.get_submodule(str(node.target)), _BatchNorm):
            continue
        path = str(node.target)
        reason = _obstacle(graph, node, calls)
        if reason is None:
            _fold(model, graph, node, remember=remember)
        notes.append(Note(path, reason or f"folded into {node.args[0].target}", applied=reason is None))
    return tuple(notes)


def _obstacle(graph: fx.GraphModule, node: fx.Node, calls: list[str]) -> str | None:
    before = node.args[0]
    norm = graph.get_submodule(str(node.target))
    assert isinstance(norm, _BatchNorm)
    if not isinstance(before, fx.Node) or before.op != "call_module":
        return "its input does not come from a layer"
    layer = graph.get_submodule(str(before.target))
    again = max(calls.count(str(node.target)), calls.count(str(before.target))) > 1
    obstacles = {
        f"its input comes from a {type(layer).__name__}": not isinstance(layer, _FOLDABLE),
        f"the output of {before.target} is used elsewhere too": len(before.users) > 1,
        "it keeps no running statistics": norm.running_var is None,
        "it, or the layer before it, is called more than once": again,
        "a grouped transposed convolution cannot take it": isinstance(layer, _ConvTransposeNd) and layer.groups > 1,
    }
    return next((reason for reason, holds in obstacles.items() if holds), None)


def _fold(model: nn.Module, graph: fx.GraphModule, node: fx.Node, *, remember: bool) -> None:
    assert isinstance(node.args[0], fx.Node)
    layer, norm = graph.get_submodule(str(node.args[0].target)), graph.get_submodule(str(node.target))
    assert isinstance(norm, _BatchNorm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    statistics = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
    if isinstance(layer, nn.Linear):
        layer.weight, layer.bias = fuse_linear_bn_weights(layer.weight, layer.bias, *statistics)
    else:
        assert isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d | _ConvTransposeNd)
        transposed = isinstance(layer, _ConvTransposeNd)
        layer.weight, layer.bias = fuse_conv_bn_weights(layer.weight, layer.bias, *statistics, transpose=transposed)
    with torch.no_grad():
        layer.weight.add_(0.0)  # a negative scale makes -0.0 of 0.0, which would not be stored as a zero
    owner, _, name = str(node.target).rpartition(".")
    setattr(model.get_submodule(owner), name, FoldedNorm.of(norm) if remember else nn.Identity())
