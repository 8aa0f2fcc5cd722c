"""An ONNX graph of somebody else, without the network it came from: converted, run, compared with the graph itself."""

import importlib.metadata
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from lissome.artifacts.archive import write_archive
from lissome.artifacts.card import Card, EngineEntry
from lissome.core.errors import BadModelError, ConversionError, SettingError
from lissome.core.names import choose
from lissome.exporting.parity import FLOAT, INTEGER, compare
from lissome.exporting.stored_samples import FILE, pack_samples
from lissome.runtimes.artifact import Artifact
from lissome.runtimes.onnxruntime import OnnxRuntime, onnx_precision
from lissome.runtimes.protocol import Array, ReadsOnnx, first_line
from lissome.runtimes.table import RUNTIMES, get_runtime

COUNT = 4
WHY_NOT = {
    "ncnn": "takes no ONNX graph: that route is known for wrong Reshape parameters and a crash when it runs",
    "litert": "takes no ONNX graph: its converter starts from PyTorch",
    "executorch": "takes no ONNX graph: its converter starts from PyTorch",
    "torch": "takes no ONNX graph: it runs PyTorch modules",
}
"""Why an engine has no way from ONNX."""


def export_onnx(
    graph: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    runtimes: Sequence[str] = ("onnxruntime",),
    samples: Array | None = None,
    seed: int = 0,
) -> Artifact:
    """Convert an ONNX graph for engines, compare each with the graph as onnxruntime runs it unoptimised, and write it.

    Args:
        graph: An .onnx file with inputs of known size; a free batch stays free.
        path: The `.lissome` file, written whole or not at all.
        runtimes: Engines that read ONNX.
        samples: What a graph of one input is compared on, (N, …) float32; None takes seeded noise, which a quantized
            graph cannot be judged on where its pictures look otherwise.
        seed: Seed of the noise.

    Raises:
        BadModelError: The graph cannot be read, or an input is no float array of known size.
        ConversionError: An engine has no way from ONNX, or cannot take the graph; says why.
        ParityError: An engine computes something else. In every case nothing is written.
    """
    if not runtimes:
        raise SettingError("no runtime is named", where="export_onnx", fix="choose of onnxruntime, openvino, mnn")
    for name in runtimes:
        choose(RUNTIMES, name, "runtime")
        if name in WHY_NOT:
            raise ConversionError(WHY_NOT[name], where=name, fix="export the PyTorch module instead")
        get_runtime(name).require()
    shapes = _input_shapes(Path(graph))
    generator = np.random.default_rng(seed)
    inputs = [generator.standard_normal((COUNT, *shape), dtype=np.float32) for shape in shapes]
    origin = f"{COUNT} times seeded noise"
    if samples is not None:
        if len(shapes) != 1 or samples.shape[1:] != shapes[0]:
            raise SettingError(f"are {samples.shape}, the graph takes {shapes}", where="samples", fix="leave them out")
        inputs, origin = [samples[:COUNT]], f"{min(COUNT, len(samples))} inputs given"
    contents: dict[str, bytes] = {}
    engines: dict[str, EngineEntry] = {}
    with tempfile.TemporaryDirectory(prefix="lissome-") as temporary:
        OnnxRuntime().convert(graph, temporary)
        plain = OnnxRuntime().load(temporary, options={"optimization": "disabled"})
        expected = list(plain.run(*inputs))
        for name in dict.fromkeys(runtimes):
            engines[name] = _convert(name, Path(graph), Path(temporary, name), inputs, expected)
            contents |= {file: Path(temporary, name, file).read_bytes() for file in engines[name].files}
    contents[FILE] = pack_samples(inputs, dict.fromkeys(engines, expected))
    card = Card(
        name=Path(path).stem,
        params=_parameters(Path(graph)),
        macs=None,
        input_shapes=tuple(shapes),
        output_shapes=tuple(one.shape[1:] for one in expected),
        engines=engines,
        samples=f"{origin}; the source is the ONNX graph, unoptimised",
        samples_file=FILE,
        versions={"lissome": importlib.metadata.version("lissome")},
        seed=seed,
    )
    return Artifact(Path(path), write_archive(path, card, contents), contents)


def _convert(name: str, graph: Path, folder: Path, inputs: list[Array], expected: list[Array]) -> EngineEntry:
    runtime = get_runtime(name)
    if not isinstance(runtime, ReadsOnnx):
        raise ConversionError("takes no ONNX graph", where=name)
    runtime.convert(graph, folder)
    limits = INTEGER if onnx_precision(graph) == "int8" else FLOAT
    session = runtime.load(folder)
    parity = compare(expected, session.run(*inputs), engine=name, limits=limits)
    options = {}
    if parity.failure and runtime.exact:
        options = dict(runtime.exact)
        session = runtime.load(folder, options=options)
        parity = compare(expected, session.run(*inputs), engine=name, limits=limits)
    return EngineEntry(
        files=runtime.files,
        precision=session.describe().precision,
        version=runtime.version(),
        parity=parity.require().to_dict(),
        options=options,
    )


def _input_shapes(path: Path) -> list[tuple[int, ...]]:
    """Return the shape of each input without the batch.

    Raises:
        BadModelError: The graph cannot be read, or a size is free or missing.
    """
    if not path.is_file():
        raise BadModelError("no such file", where=str(path))
    try:
        model = onnx.load(path, load_external_data=False)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and onnx raise many kinds
        raise BadModelError(f"is no ONNX graph: {first_line(error)}", where=str(path)) from error
    constants = {one.name for one in model.graph.initializer}
    shapes = []
    for one in model.graph.input:
        if one.name in constants:
            continue
        tensor = one.type.tensor_type
        sides = tuple(side.dim_value for side in tensor.shape.dim[1:])
        if tensor.elem_type != onnx.TensorProto.FLOAT or not sides or min(sides) < 1:
            raise BadModelError(
                f"input {one.name} is no float array of known size", where=str(path), fix="give its size in the graph"
            )
        shapes.append(sides)
    return shapes


def _parameters(path: Path) -> int:
    graph = onnx.load(path, load_external_data=False).graph
    kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.INT8, onnx.TensorProto.FLOAT16)
    return sum(int(np.prod(one.dims)) for one in graph.initializer if one.data_type in kinds)
