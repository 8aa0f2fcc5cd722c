"""A quantized ONNX graph executed with integer arithmetic alone, in numpy: what engines are compared with.

A value is integers times a scale that is only carried along. Multiplying layers sum products of integers exactly;
passing to 8 bits again multiplies by a whole number and shifts, rounding halves to the even one. Real numbers appear
where they enter the network, where they leave it, and in preparing the factors.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from lissome.core.errors import EngineError
from lissome.runtimes.protocol import Array

Whole = npt.NDArray[np.int64]

_SHIFT = 30
"""Factors are whole numbers of 31 bits, as in Jacob et al. 2018, arXiv:1712.05877, section 2.2."""

_FINER = 2.0**12
"""Sums of tensors with different scales are taken in steps that much finer than the coarser of the two."""

_MOVING = ("Flatten", "Reshape", "Transpose", "Slice", "MaxPool", "Identity", "Pad", "Squeeze", "Unsqueeze", "Split")


@dataclass(frozen=True, slots=True)
class Integers:
    """A tensor of integers.

    Args:
        values: The integers, 0 standing for 0.
        scale: What 1 stands for; one number, or one a channel that broadcasts against the values.
    """

    values: Whole
    scale: npt.NDArray[np.float64]


def rescaled(values: Whole, factor: npt.NDArray[np.float64]) -> Whole:
    """Multiply integers below 2^31 by a positive real number, in integers, halves to the even one.

    Example:
        >>> rescaled(np.array([3, 5, 6]), np.array(0.5)).tolist()
        [2, 2, 3]
    """
    fraction, exponent = np.frexp(factor)
    whole = np.rint(fraction * 2.0**_SHIFT).astype(np.int64)
    shift = np.asarray(_SHIFT - exponent, dtype=np.int64)
    if int(shift.min(initial=1)) < 1:
        whole, shift = whole << np.maximum(1 - shift, 0), np.maximum(shift, 1)
    shift = np.minimum(shift, 62)
    product = values * whole
    floor = product >> shift
    rest, half = product - (floor << shift), np.int64(1) << (shift - 1)
    up = (rest > half) | ((rest == half) & (floor % 2 == 1))
    result: Whole = floor + up
    return result


class IntegerReference:
    """A network in ONNX's QDQ form, run in integers.

    Args:
        path: The .onnx file, as `export` writes it for onnxruntime.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._graph = onnx.load(os.fspath(path)).graph
        self._constants = {one.name: numpy_helper.to_array(one) for one in self._graph.initializer}

    def run(self, *images: Array) -> tuple[Array, ...]:
        """Return the outputs as real numbers.

        Shape:
            images: One float32 array (N, …) an input; returns one array (N, …) an output.

        Raises:
            EngineError: An operator computes with real numbers; names it.
        """
        values = self.values(*images)
        return tuple(_real(values[one.name]).astype(np.float32) for one in self._graph.output)

    def values(self, *images: Array) -> dict[str, Any]:
        """Return every tensor of the network by its name in the file, the quantized ones as `Integers`."""
        values: dict[str, Any] = dict(self._constants)
        names = [one.name for one in self._graph.input if one.name not in values]
        values |= dict(zip(names, images, strict=True))
        for node in self._graph.node:
            given = [values[name] if name else None for name in node.input]
            settings = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
            if node.op_type in _RULES and not all(isinstance(one, np.ndarray) for one in given[:1]):
                values[node.output[0]] = _RULES[node.op_type](given, settings)
            elif node.op_type == "QuantizeLinear":
                values[node.output[0]] = _quantized(given)
            elif node.op_type == "DequantizeLinear":
                values[node.output[0]] = _dequantized(given, settings.get("axis", 1))
            else:
                values |= zip(node.output, _moved(node, given), strict=True)
        return values


def _real(value: Any) -> npt.NDArray[np.float64]:
    return value.values * value.scale if isinstance(value, Integers) else np.asarray(value, np.float64)


def _quantized(given: list[Any]) -> npt.NDArray[Any]:
    value, scale, zero = given
    limits = np.iinfo(zero.dtype)
    if isinstance(value, Integers):
        whole = rescaled(value.values, value.scale / scale.astype(np.float64))
    else:  # the edge of the network, where real numbers come in
        whole = np.rint(value / scale).astype(np.int64)
    return np.clip(whole + int(zero), limits.min, limits.max).astype(zero.dtype)


def _dequantized(given: list[Any], axis: int) -> Integers:
    value, scale, zero = given[0], given[1].astype(np.float64), given[2].astype(np.int64)
    if scale.size > 1:
        shape = [1] * value.ndim
        shape[axis] = -1
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    return Integers(value.astype(np.int64) - zero, scale)


def _conv(given: list[Any], settings: Mapping[str, Any]) -> Integers:
    x, weight = given[0], given[1]
    top, left, bottom, right = settings.get("pads", [0, 0, 0, 0])
    steps, gaps = settings.get("strides", [1, 1]), settings.get("dilations", [1, 1])
    groups, (rows, columns) = settings.get("group", 1), weight.values.shape[2:]
    padded = np.pad(x.values, ((0, 0), (0, 0), (top, bottom), (left, right)))
    reach = ((rows - 1) * gaps[0] + 1, (columns - 1) * gaps[1] + 1)
    windows = sliding_window_view(padded, reach, (2, 3))[:, :, :: steps[0], :: steps[1], :: gaps[0], :: gaps[1]]
    parts = [
        np.tensordot(one, part, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
        for one, part in zip(np.split(windows, groups, 1), np.split(weight.values, groups), strict=True)
    ]
    one_each = np.broadcast_to(weight.scale.reshape(1, -1, 1, 1), (1, len(weight.values), 1, 1))
    scale = x.scale * one_each
    return Integers(np.concatenate(parts, 1) + _bias(given, scale), scale)


def _gemm(given: list[Any], settings: Mapping[str, Any]) -> Integers:
    factors = {settings.get(one, 1.0) for one in ("alpha", "beta")}
    if settings.get("transA") or not settings.get("transB") or factors != {1.0}:
        raise EngineError("the integer reference has no such Gemm", fix="write it as a linear layer")
    x, weight = given[0], given[1]
    scale = x.scale * np.broadcast_to(weight.scale.reshape(1, -1), (1, len(weight.values)))
    return Integers(x.values @ weight.values.T + _bias(given, scale), scale)


def _bias(given: list[Any], scale: npt.NDArray[np.float64]) -> Whole:
    """Return the bias in steps of the sum, the whole numbers that the file has where it has them."""
    if len(given) < 3:
        return np.zeros_like(scale, dtype=np.int64)
    values = given[2].values if isinstance(given[2], Integers) else np.rint(given[2] / scale.reshape(-1))
    result: Whole = values.astype(np.int64).reshape(scale.shape)
    return result


def _relu(given: list[Any], _: Mapping[str, Any]) -> Integers:
    return Integers(np.maximum(given[0].values, 0), given[0].scale)


def _clip(given: list[Any], _: Mapping[str, Any]) -> Integers:
    value, low, high = given
    ends = (np.rint(one / value.scale).astype(np.int64) for one in (low, high))
    return Integers(np.clip(value.values, *ends), value.scale)


def _alike(given: list[Any]) -> tuple[list[Whole], npt.NDArray[np.float64]]:
    """Return tensors of 8 bits as multiples of one step."""
    step = np.max([one.scale for one in given]) / _FINER
    return [rescaled(one.values, one.scale / step) for one in given], step


def _add(given: list[Any], _: Mapping[str, Any]) -> Integers:
    values, step = _alike(given)
    return Integers(values[0] + values[1], step)


def _concat(given: list[Any], settings: Mapping[str, Any]) -> Integers:
    values, step = _alike(given)
    return Integers(np.concatenate(values, settings["axis"]), step)


def _average(given: list[Any], _: Mapping[str, Any]) -> Integers:
    x = given[0]
    pixels = x.values.shape[2] * x.values.shape[3]
    return Integers(x.values.sum((2, 3), keepdims=True), x.scale / pixels)


_RULES: Mapping[str, Callable[[list[Any], Mapping[str, Any]], Integers]] = {
    "Conv": _conv,
    "Gemm": _gemm,
    "Relu": _relu,
    "Clip": _clip,
    "Add": _add,
    "Concat": _concat,
    "GlobalAveragePool": _average,
}


def _moved(node: onnx.NodeProto, given: list[Any]) -> list[Any]:
    """Run an operator that only moves numbers, or one on constants and shapes."""
    whole = given[0] if given else None
    if isinstance(whole, Integers) and (node.op_type not in _MOVING or whole.scale.size > 1):
        raise EngineError(f"the integer reference does not know {node.op_type}", fix="compare with another engine")
    plain = [one.values if isinstance(one, Integers) else one for one in given]
    if node.op_type == "Pad" and isinstance(whole, Integers) and len(plain) > 2 and plain[2] is not None:
        plain[2] = np.asarray(plain[2]).astype(np.int64)
    feeds = {name: one for name, one in zip(node.input, plain, strict=True) if name}
    outputs: Any = ReferenceEvaluator(node).run(None, feeds)
    return [Integers(one, whole.scale) for one in outputs] if isinstance(whole, Integers) else list(outputs)
