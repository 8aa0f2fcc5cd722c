"""PyTorch to ONNX, with a free batch."""

import copy
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import torch
from torch import Tensor, nn

from lissome.core.errors import ConversionError, LissomeError
from lissome.core.files import replacing
from lissome.core.module_graph import run_once
from lissome.graph.optimize import padded_by_convolutions
from lissome.graph.quantized_weights import store_quantized
from lissome.layers.fake_quantize import as_int8
from lissome.runtimes.protocol import first_line
from lissome.runtimes.quiet import quiet
from lissome.runtimes.torch import flat_outputs
from lissome.training.kept_sharing import is_shared

OPSET = 17
"""The oldest that has all we write, so that the most engines read it."""

_KNOWN_WARNINGS: tuple[tuple[str, type[Warning]], ...] = (
    ("You are using the legacy TorchScript-based ONNX export", DeprecationWarning),
    ("The feature will be removed", DeprecationWarning),
    ("`torch.jit.trace", DeprecationWarning),
    ("It is recommended that constant folding be turned off", UserWarning),  # of weights that would be trained on
    ("Constant folding - Only steps=1 can be constant folded", UserWarning),  # engines fold it while loading
)


def to_onnx(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    path: str | os.PathLike[str],
    *,
    others: tuple[Tensor, ...] | None = None,
) -> None:
    """Write a module as ONNX; rounding layers become QuantizeLinear and DequantizeLinear, weights are stored as int8.

    Inputs are called "input" ("input1", "input2" …), outputs likewise; the batch is free.

    Args:
        model: A module; its evaluation mode is exported, and the module is left as it was.
        inputs: Example inputs (N, …).
        path: The .onnx file, written whole or not at all.
        others: Example inputs of another size; every side that differs is free. None frees the batch alone.

    Raises:
        ShapeError: The module does not take these inputs.
        ConversionError: An operator has no ONNX form; names it.

    Example:
        >>> import tempfile
        >>> to_onnx(nn.ReLU(), (torch.zeros(1, 3),), tempfile.mkdtemp() + "/relu.onnx")
    """
    source = as_int8(copy.deepcopy(model)).eval()
    outputs = flat_outputs(run_once(source, inputs))
    given, made = _numbered("input", len(inputs)), _numbered("output", len(outputs))
    larger = flat_outputs(run_once(source, others)) if others else outputs
    free = _free_sides(given, inputs, others or inputs) | _free_sides(made, outputs, larger)
    with replacing(path) as temporary:
        try:
            with known_warnings_ignored(), torch.no_grad(), quiet():  # it prints graphs that fail
                torch.onnx.export(
                    source,
                    inputs,
                    str(temporary),
                    dynamo=False,
                    opset_version=OPSET,
                    input_names=given,
                    output_names=made,
                    dynamic_axes=free,
                    training=_fusion(source),
                )
            graph = padded_by_convolutions(store_quantized(onnx.load(temporary)))
            onnx.checker.check_model(graph, full_check=True)
            onnx.save(graph, temporary)
        except LissomeError:
            raise
        except Exception as error:  # torch and onnx raise many kinds
            raise ConversionError(
                f"cannot be written as ONNX: {first_line(error)}",
                where=type(model).__name__,
                fix="replace that operator in the forward",
            ) from error


def _fusion(model: nn.Module) -> torch.onnx.TrainingMode:
    """Leave normalisations beside convolutions of shared weights: fused, each channel would have values of its own.

    Engines fuse them while loading, so that only the file differs.
    """
    shared = any(isinstance(one, nn.Conv2d) and is_shared(one.weight) for one in model.modules())
    return torch.onnx.TrainingMode.PRESERVE if shared else torch.onnx.TrainingMode.EVAL


def _free_sides(names: list[str], tensors: tuple[Tensor, ...], others: tuple[Tensor, ...]) -> dict[str, dict[int, str]]:
    """Return the free sides of each tensor by place and name: the batch, and whatever differs between two sizes."""
    free: dict[str, dict[int, str]] = {}
    for name, one, other in zip(names, tensors, others, strict=True):
        differing = [place for place in range(1, one.dim()) if one.shape[place] != other.shape[place]]
        free[name] = {0: "batch"} | {place: f"{name}_side{place}" for place in differing}
    return free


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}{index}" for index in range(1, count + 1)]


@contextmanager
def known_warnings_ignored() -> Iterator[None]:
    """Silence what torch's TorchScript exporters say of themselves, and nothing else.

    They convert in a tenth of the time of their successors, to the same numbers.
    """
    with warnings.catch_warnings():
        for message, category in _KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message=message, category=category)
        yield
