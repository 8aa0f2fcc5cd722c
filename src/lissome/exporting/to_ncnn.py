"""PyTorch to ncnn: trace, then pnnx, with the weights in float32.

The route over ONNX is not taken: it is known for wrong Reshape parameters.
"""

import copy
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from lissome.core.child import run_child
from lissome.core.errors import ConversionError, EngineMissingError, TraceError
from lissome.core.module_graph import run_once
from lissome.exporting.strided_slices import without_strided_slices
from lissome.exporting.to_onnx import known_warnings_ignored
from lissome.layers.channel_selection import with_slices
from lissome.layers.fake_quantize import is_quantized
from lissome.runtimes.ncnn import Ncnn
from lissome.runtimes.protocol import first_line

SECONDS = 600.0
"""Time limit of pnnx, which takes seconds for the networks we know."""


def to_ncnn(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    folder: str | os.PathLike[str],
    *,
    others: tuple[Tensor, ...] | None = None,
) -> tuple[Path, ...]:
    """Write a module as ncnn files, ``ncnn/model.param`` and ``ncnn/model.bin`` below a folder.

    Args:
        model: A module that computes in float; its evaluation mode is exported, and the module is left as it was.
        inputs: Example inputs (1, …).
        folder: Where to write.
        others: Example inputs (1, …) of another size: pnnx then keeps in the files what depends on it.

    Returns:
        The paths of the two files.

    Raises:
        ShapeError: The module does not take these inputs.
        EngineMissingError: ncnn or pnnx is not installed.
        ConversionError: The module rounds, pnnx fails or takes too long, or ncnn lacks an operator; names it.
    """
    if is_quantized(model):
        raise ConversionError(
            "is quantized",
            where=type(model).__name__,
            fix="use to_ncnn_int8, or convert without_quantization(model)",
        )
    runtime = Ncnn()
    runtime.require()
    program = _pnnx()
    source = _simplified(with_slices(copy.deepcopy(model).eval()), inputs, free_sizes=others is not None)
    with tempfile.TemporaryDirectory(prefix="lissome-pnnx-") as temporary:
        work = Path(temporary)
        _write_trace(source, inputs, work / "model.pt", type(model).__name__)
        words = ["fp16=0", *_shapes("inputshape", inputs)] + (_shapes("inputshape2", others) if others else [])
        said = run_child([program, "model.pt", *words], work, seconds=SECONDS, where="pnnx")
        made = [work / "model.ncnn.param", work / "model.ncnn.bin"]
        if not all(path.is_file() for path in made):
            raise ConversionError(f"wrote no ncnn model{_hints(said)}", where="pnnx")
        targets = tuple(Path(folder, name) for name in runtime.files)
        for path, target in zip(made, targets, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    lacking = runtime.unsupported(folder)
    if lacking:
        raise ConversionError(
            f"ncnn has no operator for {', '.join(lacking)}{_hints(said)}",
            where=type(model).__name__,
            fix="replace it in the forward, or choose another runtime",
        )
    return targets


def _shapes(word: str, inputs: tuple[Tensor, ...]) -> list[str]:
    return [f"{word}={','.join(str(list(one.shape)).replace(' ', '') + 'f32' for one in inputs)}"]


def _simplified(model: nn.Module, inputs: tuple[Tensor, ...], *, free_sizes: bool) -> nn.Module:
    run_once(model, inputs)
    try:
        return without_strided_slices(model, inputs, free_sizes=free_sizes)
    except TraceError:
        return model  # pnnx does not need the graph; should a slice be in its way, it is named below


def _write_trace(model: nn.Module, inputs: tuple[Tensor, ...], path: Path, name: str) -> None:
    try:
        with known_warnings_ignored(), torch.no_grad():
            traced = torch.jit.trace(model, inputs)  # type: ignore[no-untyped-call]  # torch leaves it untyped
            traced.save(str(path))
    except Exception as error:  # torch raises many kinds
        raise ConversionError(
            f"cannot be traced: {first_line(error)}", where=name, fix="avoid control flow on tensor values"
        ) from error


def _pnnx() -> str:
    # Found, not imported: the package's own module would load torch again and run a converter in this process.
    found = importlib.util.find_spec("pnnx")
    for place in (found.submodule_search_locations or ()) if found else ():
        for name in ("pnnx", "pnnx.exe"):
            if Path(place, name).is_file():
                return str(Path(place, name))
    raise EngineMissingError("pnnx, which converts for ncnn, is not installed", fix="pip install pnnx")


def _hints(said: str) -> str:
    """Return what pnnx said is not supported, which names the setting that the operator's kind alone does not."""
    lines = sorted({line.strip() for line in said.splitlines() if "support" in line and "!" not in line})
    return f" ({'; '.join(lines)[:300]})" if lines else ""
