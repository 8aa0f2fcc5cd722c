"""Run a quantized network and its float original side by side, layer by layer, on the same images."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

from lissome.core.context import Context
from lissome.layers.fake_quantize import QuantizedConv2d, QuantizedLinear, without_quantization

Visit = Callable[[str, QuantizedConv2d | QuantizedLinear, list[Tensor], list[Tensor], list[Tensor]], None]
"""Called with path, layer, its rounded inputs, its float inputs and its float outputs, batch by batch."""

_BATCH_VALUES = 1 << 21


def images_of(context: Context, count: int) -> list[Tensor]:
    """Return the first training images, a balanced choice, in batches."""
    split = context.require_task().train
    (example,) = (one for one, _ in split.batches(1, limit=1))
    size = max(1, min(64, _BATCH_VALUES // example.numel()))
    return [images for images, _ in split.batches(size, limit=count)]


def in_lockstep(graph: fx.GraphModule, images: list[Tensor], visit: Visit) -> None:
    """Visit each rounding layer, in order, before it runs; what a visit changes is what the layers behind it see.

    One pass over the layers for all images, so that a layer is put right on inputs that come from layers already put
    right.

    Args:
        graph: A traced network with layers that round; visits change its layers.
        images: Batches (N, C, H, W).
        visit: What to do.

    Source:
        Nagel et al. 2020, Up or Down?, arXiv:2004.10568, section 3.3: each layer sees the rounded layers before it.
    """
    plain = without_quantization(graph)
    assert isinstance(plain, fx.GraphModule)
    rounded_run, float_run = fx.Interpreter(graph), fx.Interpreter(plain)
    values: dict[fx.Node, list[Any]] = {}
    originals: dict[fx.Node, list[Any]] = {}
    remaining = {node: len(node.users) for node in graph.graph.nodes}
    with torch.no_grad():
        for node, twin in zip(graph.graph.nodes, plain.graph.nodes, strict=True):
            if node.op == "placeholder":
                values[node] = originals[twin] = list(images)
                continue
            originals[twin] = _run(float_run, twin, originals, len(images))
            layer = graph.get_submodule(str(node.target)) if node.op == "call_module" else None
            if isinstance(layer, QuantizedConv2d | QuantizedLinear):
                source, twin_source = node.all_input_nodes[0], twin.all_input_nodes[0]
                visit(str(node.target), layer, values[source], originals[twin_source], originals[twin])
            values[node] = _run(rounded_run, node, values, len(images))
            for source, twin_source in zip(node.all_input_nodes, twin.all_input_nodes, strict=True):
                remaining[source] -= 1
                if not remaining[source]:
                    del values[source], originals[twin_source]


def _run(runner: fx.Interpreter, node: fx.Node, values: dict[fx.Node, list[Any]], batches: int) -> list[Any]:
    results = []
    for number in range(batches):
        runner.env = {source: values[source][number] for source in node.all_input_nodes}
        results.append(runner.run_node(node))
    return results


def channel_mean(batches: list[Tensor]) -> Tensor:
    """Return the mean of each channel, (channels,): axis 1 of images, the last axis of rows.

    Example:
        >>> channel_mean([torch.ones(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)])
        tensor([0.5000, 0.5000, 0.5000])
    """
    rows = [one.movedim(1, -1) if one.dim() == 4 else one for one in batches]
    total = torch.stack([one.flatten(0, -2).double().sum(0) for one in rows]).sum(0)
    return (total / sum(one.numel() // one.shape[-1] for one in rows)).float()
