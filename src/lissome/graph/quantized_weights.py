"""Store what an integer engine reads: int8 weights and int32 biases instead of float ones that are rounded at load."""

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

_WEIGHTED = ("Conv", "Gemm")


def store_quantized(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy whose QuantizeLinear nodes on constants are replaced by their 8-bit results.

    The biases of convolutions and fully connected layers whose input and weight are both dequantized become int32 with
    the scale ``s_x · s_w``, the accumulator's own, so that an engine can compute the whole layer in integers.

    Args:
        model: A graph in QDQ form; a float graph comes back equal.

    Source:
        ONNX operators QuantizeLinear and DequantizeLinear, opset 13; Jacob et al. 2018, arXiv:1712.05877, equation 11.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    _constants_to_initializers(graph)
    arrays = {one.name: one for one in graph.initializer}
    _store_weights(graph, arrays)
    _store_biases(graph, arrays)
    _drop_unused(graph)
    return result


def _constants_to_initializers(graph: onnx.GraphProto) -> None:
    for node in [one for one in graph.node if one.op_type == "Constant"]:
        value = next((one.t for one in node.attribute if one.name == "value"), None)
        if value is not None:
            tensor = onnx.TensorProto()
            tensor.CopyFrom(value)
            tensor.name = node.output[0]
            graph.initializer.append(tensor)
            graph.node.remove(node)


def _store_weights(graph: onnx.GraphProto, arrays: dict[str, onnx.TensorProto]) -> None:
    for node in [one for one in graph.node if one.op_type == "QuantizeLinear"]:
        if not all(name in arrays for name in node.input):
            continue
        values, scale, zero = (numpy_helper.to_array(arrays[name]) for name in node.input)
        axis = next((one.i for one in node.attribute if one.name == "axis"), 1)
        stored = _quantized(values, scale, zero, axis)
        tensor = numpy_helper.from_array(stored, node.output[0])
        graph.initializer.append(tensor)
        arrays[tensor.name] = tensor
        graph.node.remove(node)


def _quantized(
    values: npt.NDArray[np.float32], scale: npt.NDArray[np.float32], zero: npt.NDArray[np.integer], axis: int
) -> npt.NDArray[np.integer]:
    if scale.ndim == 1 and scale.size > 1:
        shape = [1] * values.ndim
        shape[axis] = -1
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    limits = np.iinfo(zero.dtype)
    rounded = np.rint(values / scale) + zero
    result: npt.NDArray[np.integer] = np.clip(rounded, limits.min, limits.max).astype(zero.dtype)
    return result


def _store_biases(graph: onnx.GraphProto, arrays: dict[str, onnx.TensorProto]) -> None:
    makers = {name: node for node in graph.node for name in node.output}
    added = []
    for node in graph.node:
        if node.op_type not in _WEIGHTED or len(node.input) < 3 or node.input[2] not in arrays:
            continue
        scales = [_scale_of(makers.get(name), arrays) for name in node.input[:2]]
        bias = numpy_helper.to_array(arrays[node.input[2]])
        if scales[0] is None or scales[1] is None or bias.dtype != np.float32:
            continue
        name = f"{node.input[2]}_of_{node.output[0]}"
        scale = np.broadcast_to(scales[0] * scales[1], bias.shape).astype(np.float32)
        limits = np.iinfo(np.int32)
        stored = np.clip(np.rint(bias.astype(np.float64) / scale), limits.min, limits.max).astype(np.int32)
        for suffix, array in (("quantized", stored), ("scale", scale), ("zero", np.zeros(bias.shape, np.int32))):
            graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), f"{name}_{suffix}"))
        inputs = [f"{name}_{suffix}" for suffix in ("quantized", "scale", "zero")]
        added.append(helper.make_node("DequantizeLinear", inputs, [f"{name}_real"], axis=0))
        node.input[2] = f"{name}_real"
    for node in reversed(added):
        graph.node.insert(0, node)


def _scale_of(maker: onnx.NodeProto | None, arrays: dict[str, onnx.TensorProto]) -> npt.NDArray[np.float32] | None:
    if maker is None or maker.op_type != "DequantizeLinear" or maker.input[1] not in arrays:
        return None
    scale: npt.NDArray[np.float32] = numpy_helper.to_array(arrays[maker.input[1]]).reshape(-1)
    return scale


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input} | {one.name for one in graph.output}
    for tensor in [one for one in graph.initializer if one.name not in used]:
        graph.initializer.remove(tensor)
