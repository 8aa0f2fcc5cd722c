"""A quantized network to ncnn's int8: pnnx writes it in float, and the layers that multiply get their integers here.

ncnn's own tools for this are not in its Python package. A layer with int8 weights has setting 8 in the .param file. In
the .bin file its weights are int8, padded to 4 bytes; after the bias come, in float32, one factor an output channel
(1 / step), one factor for the input and, where the result goes to the next integer layer without leaving int8, one for
the result.
"""

import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from lissome.core.errors import ConversionError
from lissome.core.module_graph import trace
from lissome.exporting.ncnn_files import FLOAT32, INT8, NcnnLayer, read_ncnn, write_ncnn
from lissome.exporting.symmetric_integers import IntegerLayer, integer_layers, symmetric_reference
from lissome.exporting.to_ncnn import to_ncnn
from lissome.layers.fake_quantize import without_quantization

_KINDS = ("Convolution", "ConvolutionDepthWise", "InnerProduct")
_REQUANTIZING = ("Convolution", "ConvolutionDepthWise")  # a fully connected layer always gives floats
_SCALES, _REQUANTIZE = "8", 100


@dataclass(frozen=True, slots=True)
class Int8Files:
    """What was written.

    Args:
        reference: The module that rounds where the files do.
        float_layers: Paths of quantized layers that the files compute in float.
    """

    reference: nn.Module
    float_layers: tuple[str, ...]


def to_ncnn_int8(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    folder: str | os.PathLike[str],
    *,
    others: tuple[Tensor, ...] | None = None,
) -> Int8Files:
    """Write a quantized module as ncnn files whose convolutions and linear layers multiply int8.

    ncnn knows no zero point: activations are rounded symmetrically, with a step that keeps the calibrated range. What
    lies between two integer layers is float, unless nothing lies there: then int8 is handed on.

    Args:
        model: A module with quantized layers; left as it was.
        inputs: Example inputs (1, …).
        folder: Where to write.
        others: Example inputs (1, …) of another size that the files must take, too.

    Raises:
        TraceError: The module cannot be traced, so that nothing tells what rounds the input of a layer.
        ConversionError: As `to_ncnn`, or a layer holds weights that cannot be told apart from its neighbours'.
    """
    planned, left = integer_layers(trace(model, inputs), by_group=True)
    files = to_ncnn(without_quantization(model), inputs, folder, others=others)
    layers = read_ncnn(*files)
    matched = _matched(layers, planned)
    steps = {name: one.input_step for name, one in matched.items()}
    write_ncnn([_rewritten(one, matched, _handed_on(one, layers, steps)) for one in layers], *files)
    written = [one for one in planned if any(one is other for other in matched.values())]
    missing = [one.path for one in planned if one not in written]
    reference = symmetric_reference(model, inputs, written)
    return Int8Files(reference.eval(), tuple(dict.fromkeys([*left, *missing])))


def _matched(layers: Sequence[NcnnLayer], planned: Sequence[IntegerLayer]) -> Mapping[str, IntegerLayer]:
    """Return which call each ncnn layer is: the first in order, not taken yet, that has exactly its weights."""
    waiting = [(one, struct.pack("<I", FLOAT32) + _little(one.weight, "<f4")) for one in planned]
    matched: dict[str, IntegerLayer] = {}
    for layer in layers:
        if layer.kind not in _KINDS or not layer.arrays:
            continue
        place = next((n for n, (_, weights) in enumerate(waiting) if weights == layer.arrays[0]), None)
        if place is not None:
            matched[layer.name] = waiting.pop(place)[0]
    # A layer called twice is int8 in all its calls or in none.
    lost = {one.path for one, _ in waiting}
    return {name: one for name, one in matched.items() if one.path not in lost}


def _handed_on(layer: NcnnLayer, layers: Sequence[NcnnLayer], steps: Mapping[str, float]) -> float | None:
    """Return the step that all readers of a layer's result round it with, if integer layers alone read it."""
    if layer.name not in steps or layer.kind not in _REQUANTIZING:
        return None
    wanted: set[float | None] = set()
    names = list(layer.outputs)
    while names:
        name = names.pop()
        readers = [one for one in layers if name in one.inputs]
        wanted |= {steps.get(one.name) for one in readers if one.kind != "Split"}
        wanted |= set() if readers else {None}  # an output of the network
        names += [output for one in readers if one.kind == "Split" for output in one.outputs]
    return wanted.pop() if len(wanted) == 1 else None


def _rewritten(layer: NcnnLayer, matched: Mapping[str, IntegerLayer], handed_on: float | None) -> NcnnLayer:
    one = matched.get(layer.name)
    if one is None:
        return layer
    values = _little(one.integers, "i1")
    weights = struct.pack("<I", INT8) + values + bytes(-len(values) % 4)
    steps = one.weight_step
    if layer.kind == "ConvolutionDepthWise":
        if layer.number(7, 1) != one.groups:
            raise ConversionError(f"has {layer.number(7, 1)} groups, {one.path} has {one.groups}", where=layer.name)
        steps = steps.reshape(one.groups, -1)[:, 0]
    form = 1 if layer.kind == "ConvolutionDepthWise" else 2
    factors = [1 / steps.double(), torch.tensor([1 / one.input_step])]
    if handed_on is not None:
        factors.append(torch.tensor([1 / handed_on]))
    scales = str(form + (_REQUANTIZE if handed_on is not None else 0))
    arrays = (weights, *layer.arrays[1:], *(_little(factor, "<f4") for factor in factors))
    return replace(layer, settings={**layer.settings, _SCALES: scales}, arrays=arrays)


def _little(values: Tensor, kind: str) -> bytes:
    return np.ascontiguousarray(values.detach().cpu().numpy().astype(kind)).tobytes()
