"""A quantized network to ncnn's int8: pnnx writes it in float, and the layers that multiply get their integers here.

ncnn's own tools for this are not in its Python package. A layer with int8 weights has setting 8 in the .param file. In
the .bin file its weights are int8, padded to 4 bytes; after the bias come, in float32, one factor an output channel
(1 / step), one factor for the input and, where the result goes to the next integer layer without leaving int8, one for
the result.

Inputs that are stored upside down (see `symmetric_integers`) cost nothing where the layer before hands int8 on: it has
the sign in its weights and 127 in its bias, its saturation is the ReLU, and what pads is 127. Upside down because
ncnn's packed kernels pad with a wrong number where it is negative. Where the input comes as float, one subtraction is
put before the layer.
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
from lissome.exporting.symmetric_integers import LEVELS, IntegerLayer, integer_layers, symmetric_reference
from lissome.exporting.to_ncnn import to_ncnn
from lissome.layers.fake_quantize import without_quantization

_KINDS = ("Convolution", "ConvolutionDepthWise", "InnerProduct")
_REQUANTIZING = ("Convolution", "ConvolutionDepthWise")  # a fully connected layer always gives floats
_SCALES, _REQUANTIZE = "8", 100
_RELU, _CLIP = 1, 3
"""Activations that ncnn puts into a convolution, setting 9."""
_SUBTRACTED_FROM = 7
"""BinaryOp's number for a constant minus the input."""


@dataclass(frozen=True, slots=True)
class Int8Files:
    """What was written.

    Args:
        reference: The module that rounds where the files do.
        float_layers: Paths of quantized layers that the files compute in float.
    """

    reference: nn.Module
    float_layers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Stored:
    """How the integers of a tensor stand for its values: ``step q``, or upside down ``step (127 - q)``."""

    step: float
    upside_down: bool


def to_ncnn_int8(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    folder: str | os.PathLike[str],
    *,
    others: tuple[Tensor, ...] | None = None,
) -> Int8Files:
    """Write a quantized module as ncnn files whose convolutions and linear layers multiply int8.

    ncnn knows no zero point: activations are rounded symmetrically, with a step that keeps the calibrated range, those
    of ReLU to all 255 integers. What lies between two integer layers is float, unless nothing lies there: then int8 is
    handed on.

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
    stored = {name: _Stored(one.input_step, one.upside_down) for name, one in matched.items()}
    made: list[NcnnLayer] = []
    in_int8: set[str] = set()
    for layer in layers:
        handed_on = _handed_on(layer, layers, stored)
        arrives = bool(layer.inputs) and layer.inputs[0] in in_int8
        in_int8 |= set(layer.outputs) if handed_on or (layer.kind == "Split" and arrives) else set()
        made += _rewritten(layer, matched.get(layer.name), handed_on, arrives_in_int8=arrives)
    write_ncnn(made, *files)
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


def _handed_on(layer: NcnnLayer, layers: Sequence[NcnnLayer], stored: Mapping[str, _Stored]) -> _Stored | None:
    """Return how all readers of a layer's result store it, if integer layers alone read it."""
    if layer.name not in stored or layer.kind not in _REQUANTIZING:
        return None
    wanted: set[_Stored | None] = set()
    names = list(layer.outputs)
    while names:
        name = names.pop()
        readers = [one for one in layers if name in one.inputs]
        wanted |= {stored.get(one.name) for one in readers if one.kind != "Split"}
        wanted |= set() if readers else {None}  # an output of the network
        names += [output for one in readers if one.kind == "Split" for output in one.outputs]
    only = wanted.pop() if len(wanted) == 1 else None
    if only and only.upside_down and not _saturates(layer, only.step):
        return None
    return only


def _saturates(layer: NcnnLayer, step: float) -> bool:
    """Tell whether a layer's activation is what int8 in [0, 254 steps] does: none, ReLU, or a clip to more."""
    kind, bounds = layer.number(9), layer.settings.get("-23310", "").split(",")[1:]
    if kind == _CLIP:
        low, high = map(float, bounds)
        return low == 0 and high > 253.5 * step
    return kind in (0, _RELU)


def _rewritten(
    layer: NcnnLayer, one: IntegerLayer | None, handed_on: _Stored | None, *, arrives_in_int8: bool
) -> list[NcnnLayer]:
    """Return a layer with its integers, after what turns its input upside down if that comes as float."""
    if one is None:
        return [layer]
    groups_alike = layer.kind == "ConvolutionDepthWise"
    if groups_alike and layer.number(7, 1) != one.groups:
        raise ConversionError(f"has {layer.number(7, 1)} groups, {one.path} has {one.groups}", where=layer.name)
    out_upside_down = handed_on is not None and handed_on.upside_down
    integers = one.integers.double() * (-1 if one.upside_down != out_upside_down else 1)
    steps = one.weight_step.double()
    values = _little(integers, "i1")
    weights = struct.pack("<I", INT8) + values + bytes(-len(values) % 4)
    bias_key = "1" if layer.kind == "InnerProduct" else "5"
    settings, biases = dict(layer.settings), list(layer.arrays[1:])
    if one.upside_down or out_upside_down:
        bias = torch.from_numpy(np.frombuffer(biases[0], "<f4").astype(np.float64)) if biases else torch.zeros(1)
        if one.upside_down:
            bias = bias + LEVELS * one.input_step * steps * one.integers.double().flatten(1).sum(1)
        if handed_on and out_upside_down:
            bias = LEVELS * handed_on.step - bias
            settings.pop("9", None)
            settings.pop("-23310", None)
        settings[bias_key], biases = "1", [_little(bias.expand(len(steps)), "<f4")]
    before = []
    if one.upside_down:
        if layer.kind in _REQUANTIZING:
            settings["18"] = str(float(LEVELS))
        if not arrives_in_int8:
            before = [_turned(layer, one.input_step)]
            layer = replace(layer, inputs=before[0].outputs)
    factors = [1 / (steps.reshape(one.groups, -1)[:, 0] if groups_alike else steps), torch.tensor([1 / one.input_step])]
    factors += [torch.tensor([1 / handed_on.step])] if handed_on else []
    settings[_SCALES] = str((1 if groups_alike else 2) + (_REQUANTIZE if handed_on else 0))
    arrays = (weights, *biases, *(_little(factor, "<f4") for factor in factors))
    return [*before, replace(layer, settings=settings, arrays=arrays)]


def _turned(layer: NcnnLayer, step: float) -> NcnnLayer:
    """Return the layer that subtracts a layer's input from 127 steps."""
    name = f"{layer.name}_turned"
    settings = {"0": str(_SUBTRACTED_FROM), "1": "1", "2": f"{LEVELS * step:.9e}"}
    return NcnnLayer("BinaryOp", name, layer.inputs, (name,), settings)


def _little(values: Tensor, kind: str) -> bytes:
    return np.ascontiguousarray(values.detach().cpu().numpy().astype(kind)).tobytes()
