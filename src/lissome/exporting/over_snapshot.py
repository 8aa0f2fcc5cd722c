"""PyTorch to engines whose converters start from PyTorch itself, in a process of their own with a time limit.

The network crosses over as a snapshot: structure and weights, no pickle.
"""

import importlib.util
import sys
import tempfile
from pathlib import Path

from torch import Tensor, nn

from lissome.core.child import run_child
from lissome.core.errors import ConversionError, EngineMissingError
from lissome.core.snapshot import write_snapshot
from lissome.runtimes.protocol import Runtime

SECONDS = 900.0
"""Time limit of a conversion; a large network takes two minutes on a slow machine."""


def convert_in_child(
    runtime: Runtime, model: nn.Module, inputs: tuple[Tensor, ...], folder: Path, *, needs: str, package: str
) -> None:
    """Write an engine's one file.

    Args:
        runtime: The engine; its converter is the module beside it.
        model: A traceable module.
        inputs: Example inputs (1, …).
        folder: Where to write.
        needs: What the converter imports.
        package: What pip installs for that.

    Raises:
        EngineMissingError: The engine or its converter is not installed; says the pip line.
        TraceError: The module cannot be traced.
        ConversionError: The converter fails, crashes or takes too long; carries its last line.
    """
    runtime.require()
    if importlib.util.find_spec(needs) is None:
        raise EngineMissingError(
            f"{package}, which converts for {runtime.name}, is not installed", fix=f"pip install {package}"
        )
    target = Path(folder, runtime.files[0]).absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lissome-snapshot-") as temporary:
        source = Path(temporary, "model.safetensors")
        write_snapshot(model, source)
        shapes = ["x".join(map(str, one.shape)) for one in inputs]
        program = [sys.executable, "-m", f"lissome.runtimes.{runtime.name}_converter"]
        where = f"{runtime.name} converter"
        run_child([*program, str(source), str(target), *shapes], Path(temporary), seconds=SECONDS, where=where)
    if not target.is_file() or target.stat().st_size == 0:
        raise ConversionError("wrote nothing", where=f"{runtime.name} converter")
