"""CONVERTERS: how each engine's files are made from a module. One entry for each of RUNTIMES."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from lissome.core.snapshot import write_snapshot
from lissome.exporting.to_ncnn import to_ncnn
from lissome.exporting.to_onnx import to_onnx
from lissome.layers.fake_quantize import is_quantized, without_quantization
from lissome.runtimes.ncnn import Ncnn
from lissome.runtimes.onnxruntime import OnnxRuntime
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


Converter = Callable[[nn.Module, tuple[Tensor, ...], Path], Conversion]
"""Writes the files of a module, given example inputs (1, …), below a folder under the names its runtime reads."""


def _for_onnxruntime(model: nn.Module, inputs: tuple[Tensor, ...], folder: Path) -> Conversion:
    to_onnx(model, inputs, folder / OnnxRuntime.files[0])
    return Conversion(model)


def _for_ncnn(model: nn.Module, inputs: tuple[Tensor, ...], folder: Path) -> Conversion:
    if not is_quantized(model):
        to_ncnn(model, inputs, folder)
        return Conversion(model)
    plain = without_quantization(model)
    to_ncnn(plain, inputs, folder)
    return Conversion(plain, f"{Ncnn.name} gets the float network: its int8 is not there yet")


def _for_torch(model: nn.Module, inputs: tuple[Tensor, ...], folder: Path) -> Conversion:
    write_snapshot(model, folder / Torch.files[0])
    return Conversion(model)


CONVERTERS: Mapping[str, Converter] = {
    "onnxruntime": _for_onnxruntime,
    "ncnn": _for_ncnn,
    "torch": _for_torch,
}
