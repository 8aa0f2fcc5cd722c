"""Whether LiteRT gains from zeros: 1x1 convolutions in TFLite's dense and sparse form, by pairs.

Run alone on the machine, in an environment with `ai-edge-litert` and `flatbuffers`; no converter is needed, since the
files are written here:

    pip install ai-edge-litert==2.3.0 flatbuffers
    python benchmarks/sparsity_litert.py    # then sparsity.py --page, which writes it into the page

The network is what XNNPACK's sparse path takes: a padded 3x3 convolution of stride 2 on three channels, then 1x1
convolutions and a global mean. Sparse weights are stored by row (CSR) and unpacked by a DENSIFY operator, which is the
sign that makes XNNPACK look for zeros. On x86 with AVX it does not: its sparse kernels are for ARM and WebAssembly.
"""

import argparse
import platform
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from common import machine_and_versions, write_result
from lissome.timing.measure import measure
from lissome.timing.pinned import pinned

SIDE, CHANNELS, DEPTH = 128, 128, 6
CASES = {
    "dense": (0.0, False),
    "90 % zeros, dense form": (0.9, False),
    "70 % zeros, sparse form": (0.7, True),
    "80 % zeros, sparse form": (0.8, True),
    "90 % zeros, sparse form": (0.9, True),
}
"""Share of zeros, and whether they are stored sparsely."""


@dataclass
class Builder:
    """A TFLite file in the making."""

    model: Any = field(default_factory=schema.ModelT)
    graph: Any = field(default_factory=schema.SubGraphT)
    codes: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.model.version, self.model.subgraphs = 3, [self.graph]
        self.model.buffers, self.model.operatorCodes = [schema.BufferT()], []
        self.graph.tensors, self.graph.operators = [], []

    def tensor(self, shape: tuple[int, ...], values: Any = None, sparsity: Any = None) -> int:
        """Add a tensor, with values if it is constant, and return its number."""
        one = schema.TensorT()
        one.shape, one.buffer, one.sparsity = list(shape), 0, sparsity
        one.name = f"tensor{len(self.graph.tensors)}"
        is_integer = values is not None and values.dtype == np.int32
        one.type = schema.TensorType.INT32 if is_integer else schema.TensorType.FLOAT32
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            one.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(one)
        return len(self.graph.tensors) - 1

    def operator(self, name: str, inputs: list[int], output: int, options: Any) -> int:
        """Add an operator and return its output."""
        code = getattr(schema.BuiltinOperator, name)
        if code not in self.codes:
            entry = schema.OperatorCodeT()
            entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), 1
            self.model.operatorCodes.append(entry)
            self.codes[code] = len(self.model.operatorCodes) - 1
        one = schema.OperatorT()
        one.opcodeIndex, one.inputs, one.outputs, one.builtinOptions = self.codes[code], inputs, [output], options
        one.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.graph.operators.append(one)
        return output

    def convolution(self, image: int, weight: int, shape: tuple[int, ...], stride: int) -> int:
        """Add a convolution with ReLU whose output has SIDE / 2 pixels a side."""
        options = schema.Conv2DOptionsT()
        options.padding, options.strideW, options.strideH = schema.Padding.VALID, stride, stride
        options.dilationWFactor = options.dilationHFactor = 1
        options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        bias = self.tensor((shape[0],), np.zeros(shape[0], np.float32))
        return self.operator(
            "CONV_2D", [image, weight, bias], self.tensor((1, SIDE // 2, SIDE // 2, shape[0])), options
        )

    def to_bytes(self) -> bytes:
        """Return the file."""
        buffer = flatbuffers.Builder(1 << 20)
        buffer.Finish(self.model.Pack(buffer), b"TFL3")
        return bytes(buffer.Output())


def network(share: float, *, is_sparse: bool) -> bytes:
    """Return the file of a network with a share of zeros in its 1x1 convolutions; equal shares are equal weights."""
    build, generator = Builder(), np.random.default_rng(0)
    image = build.tensor((1, SIDE, SIDE, 3))
    margins = build.tensor((4, 2), np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    padded = build.operator("PAD", [image, margins], build.tensor((1, SIDE + 2, SIDE + 2, 3)), schema.PadOptionsT())
    first = (generator.standard_normal((32, 3, 3, 3)) * 0.3).astype(np.float32)
    current, channels = build.convolution(padded, build.tensor(first.shape, first), first.shape, 2), 32
    for _ in range(DEPTH):
        weight = generator.standard_normal((CHANNELS, 1, 1, channels)).astype(np.float32)
        weight[np.abs(weight) < np.quantile(np.abs(weight), share)] = 0
        weight *= np.sqrt(2 / np.count_nonzero(weight[0]).clip(1)) if share else np.sqrt(2 / channels)
        if is_sparse:
            packed = build.tensor(weight.shape, weight[weight != 0], _by_row(weight))
            number = build.operator("DENSIFY", [packed], build.tensor(weight.shape), schema.DensifyOptionsT())
        else:
            number = build.tensor(weight.shape, weight)
        current, channels = build.convolution(current, number, weight.shape, 1), CHANNELS
    options = schema.ReducerOptionsT()
    options.keepDims = True
    axes = build.tensor((2,), np.array([1, 2], np.int32))
    mean = build.operator("MEAN", [current, axes], build.tensor((1, 1, 1, channels)), options)
    build.graph.inputs, build.graph.outputs = [image], [mean]
    return build.to_bytes()


def _by_row(weight: Any) -> Any:
    """Return TFLite's description of a (out, 1, 1, in) tensor whose last axis is sparse."""
    rows = weight.reshape(weight.shape[0], -1)
    metadata = []
    for axis, length in enumerate(weight.shape):
        one = schema.DimensionMetadataT()
        one.denseSize = length
        one.format = schema.DimensionType.DENSE if axis < 3 else schema.DimensionType.SPARSE_CSR
        metadata.append(one)
    starts, places = schema.Int32VectorT(), schema.Int32VectorT()
    starts.values = [0, *np.count_nonzero(rows, axis=1).cumsum().tolist()]
    places.values = rows.nonzero()[1].tolist()
    last = metadata[-1]
    last.arraySegmentsType = last.arrayIndicesType = schema.SparseIndexVector.Int32Vector
    last.arraySegments, last.arrayIndices = starts, places
    description = schema.SparsityParametersT()
    description.traversalOrder, description.blockMap, description.dimMetadata = [0, 1, 2, 3], [], metadata
    return description


@dataclass
class Session:
    """A file loaded in LiteRT, one thread."""

    file: bytes

    def __post_init__(self) -> None:
        self.interpreter = Interpreter(model_content=self.file, num_threads=1)
        self.interpreter.allocate_tensors()

    def run(self, images: Any) -> Any:
        """Return the output for a batch of one."""
        self.interpreter.set_tensor(self.interpreter.get_input_details()[0]["index"], images)
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.interpreter.get_output_details()[0]["index"])


def main() -> None:
    """Write files, compare, time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="time for the pairs")
    parser.add_argument("--try", dest="is_try", action="store_true", help="write no result")
    arguments = parser.parse_args()
    images = np.random.default_rng(1).random((1, SIDE, SIDE, 3), np.float32)
    files = {name: network(share, is_sparse=is_sparse) for name, (share, is_sparse) in CASES.items()}
    with pinned(1):
        sessions = {name: Session(file) for name, file in files.items()}
        sparse, dense = (sessions[f"90 % zeros, {form} form"].run(images) for form in ("sparse", "dense"))
        np.testing.assert_allclose(sparse, dense, rtol=1e-4, atol=1e-5 * float(np.abs(dense).max()))
        calls = {name: lambda one=one: one.run(images) for name, one in sessions.items()}
        timing = measure(calls, baseline="dense", rounds=50, seconds=arguments.seconds)
    rows = {
        name: {
            "file_kib": len(file) / 1024,
            "latency_ms": timing.latency(name).to_dict(),
            "speedup": timing.speedup(name, over="dense").to_dict(),
        }
        for name, file in files.items()
    }
    if arguments.is_try:
        print(rows)
        return
    versions = machine_and_versions("ai-edge-litert")
    write_result("sparsity_litert", {**versions, "architecture": platform.machine(), "cases": rows})


if __name__ == "__main__":
    main()
