"""CONVERTERS: how each engine's files are made from a module. One entry for each of RUNTIMES."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from lissome.core.errors import ConversionError
from lissome.core.snapshot import write_snapshot
from lissome.exporting.litert_floats import float_layers_note
from lissome.exporting.over_snapshot import convert_in_child
from lissome.exporting.to_ncnn import to_ncnn
from lissome.exporting.to_ncnn_int8 import to_ncnn_int8
from lissome.exporting.to_onnx import to_onnx
from lissome.layers.fake_quantize import is_quantized, without_quantization
from lissome.runtimes.executorch import ExecuTorch
from lissome.runtimes.litert import LiteRt
from lissome.runtimes.mnn import Mnn
from lissome.runtimes.onnxruntime import OnnxRuntime
from lissome.runtimes.openvino import OpenVino
from lissome.runtimes.protocol import ReadsOnnx, Runtime
from lissome.runtimes.tensorrt import TensorRt
from lissome.runtimes.torch import Torch


@dataclass(frozen=True, slots=True)
class Conversion:
    """Files were written.

    Args:
        reference: The module that the engine must agree with.
        note: What a reader must know; "" for nothing.
    """

    reference: nn.Module
    note: str = ""


@dataclass(frozen=True, slots=True)
class Examples:
    """Inputs to convert with.

    Args:
        inputs: One batch of 1 an input of the network.
        others: The same in another size that the files must take, too; None for one size.
        shelf: A folder where the network's ONNX file is kept for the next engine that reads one; None for nowhere.
    """

    inputs: tuple[Tensor, ...]
    others: tuple[Tensor, ...] | None = None
    shelf: Path | None = None


Converter = Callable[[nn.Module, Examples, Path], Conversion]
"""Writes the files of a module below a folder, under the names that its runtime reads."""


def _for_onnxruntime(model: nn.Module, examples: Examples, folder: Path) -> Conversion:
    return _over_onnx(OnnxRuntime(), model, examples, folder)


def _for_openvino(model: nn.Module, examples: Examples, folder: Path) -> Conversion:
    return _over_onnx(OpenVino(), model, examples, folder)


def _for_mnn(model: nn.Module, examples: Examples, folder: Path) -> Conversion:
    source, note = _float_of(model, Mnn.name)
    return _over_onnx(Mnn(), source, examples, folder, note)


def _for_ncnn(model: nn.Module, examples: Examples, folder: Path) -> Conversion:
    if not is_quantized(model):
        to_ncnn(model, examples.inputs, folder, others=examples.others)
        return Conversion(model)
    made = to_ncnn_int8(model, examples.inputs, folder, others=examples.others)
    note = f"float in ncnn: {', '.join(made.float_layers)}" if made.float_layers else ""
    return Conversion(made.reference, note)


def _for_tensorrt(model: nn.Module, examples: Examples, folder: Path) -> Conversion:
    return _over_onnx(TensorRt(), model, examples, folder)


def _for_litert(model: nn.Module, examples: Examples, folder: Path) -> Conversion:
    _over_snapshot(LiteRt(), model, examples, folder, ("litert_torch", "litert-torch"))
    return Conversion(model, float_layers_note(model, examples.inputs, folder) if is_quantized(model) else "")


def _for_executorch(model: nn.Module, examples: Examples, folder: Path) -> Conversion:
    source, note = _float_of(model, ExecuTorch.name)
    _over_snapshot(ExecuTorch(), source, examples, folder, ("executorch", "executorch"))
    return Conversion(source, note)


def _over_snapshot(
    runtime: Runtime, model: nn.Module, examples: Examples, folder: Path, converter: tuple[str, str]
) -> None:
    if examples.others is not None:
        raise ConversionError("has one size of input a file", where=runtime.name, fix="leave the other size out")
    convert_in_child(runtime, model, examples.inputs, folder, needs=converter[0], package=converter[1])


def _over_onnx(runtime: ReadsOnnx, model: nn.Module, examples: Examples, folder: Path, note: str = "") -> Conversion:
    with tempfile.TemporaryDirectory(prefix="lissome-onnx-") as temporary:
        runtime.convert(onnx_file(model, examples, Path(temporary)), folder)
    return Conversion(model, note)


def onnx_file(model: nn.Module, examples: Examples, folder: Path) -> Path:
    """Return the network's ONNX file: the one on the shelf, if it is there already, else one that is written now.

    Args:
        model: The network.
        examples: What to export with, and the shelf.
        folder: Where to write without a shelf.
    """
    graph = (examples.shelf or folder) / ("integers.onnx" if is_quantized(model) else "floats.onnx")
    if not graph.exists():
        graph.parent.mkdir(parents=True, exist_ok=True)
        to_onnx(model, examples.inputs, graph, others=examples.others)
    return graph


def _float_of(model: nn.Module, engine: str) -> tuple[nn.Module, str]:
    """Return the network without rounding, for an engine that cannot be given its integers yet, and the note of it."""
    if not is_quantized(model):
        return model, ""
    return without_quantization(model), f"{engine} gets the float network: {WITHOUT_INTEGERS[engine]}"


def _for_torch(model: nn.Module, examples: Examples, folder: Path) -> Conversion:
    write_snapshot(model, folder / Torch.files[0])
    return Conversion(model)


WITHOUT_INTEGERS: Mapping[str, str] = {
    "mnn": "its converter crashes on a graph with rounded layers (MNN 3.6.1, signal 6)",
    "executorch": "its tools choose scales by themselves, so it would not be the network that was judged",
    "torch": "it rounds in float",
}
"""Engines that do not run a quantized network in integers, and why."""


CONVERTERS: Mapping[str, Converter] = {
    "onnxruntime": _for_onnxruntime,
    "ncnn": _for_ncnn,
    "openvino": _for_openvino,
    "mnn": _for_mnn,
    "litert": _for_litert,
    "executorch": _for_executorch,
    "tensorrt": _for_tensorrt,
    "torch": _for_torch,
}
