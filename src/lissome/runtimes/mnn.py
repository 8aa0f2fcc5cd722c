"""MNN on the CPU. Precision is float32; float16 on ARM CPUs alone, since elsewhere MNN ignores the wish in silence."""

import os
import platform
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lissome.core.child import run_child
from lissome.core.errors import ConversionError, EngineError
from lissome.runtimes.protocol import Array, Option, ReadsOnnx, Session, SessionDescription, SessionSettings
from lissome.runtimes.quiet import import_quietly

SECONDS = 600.0
"""Time limit of the converter, which takes seconds for the networks we know."""

# The compiled tool, never its Python wrapper: that one installs a package and reports to its makers.
_CONVERT = "import sys, _tools; _tools.mnnconvert(sys.argv)"
_WINOGRAD_LEVEL = 3  # MNN's number of the hint
_PRECISION = {"float32": "normal", "float16": "low"}


class Mnn(ReadsOnnx):
    """Adapter of MNN."""

    name: ClassVar[str] = "mnn"
    package: ClassVar[str] = "MNN"
    module: ClassVar[str] = "MNN"
    files: ClassVar[tuple[str, ...]] = ("mnn/model.mnn",)
    precisions: ClassVar[tuple[str, ...]] = ("float32", "float16")
    options: ClassVar[Mapping[str, tuple[Option, ...]]] = {"winograd": ("fast", "exact")}
    exact: ClassVar[Mapping[str, Option]] = {"winograd": "exact"}

    def convert(self, graph: str | os.PathLike[str], folder: str | os.PathLike[str]) -> None:
        """Write the graph as an MNN file, in a process of its own."""
        self.require()
        target = Path(folder, self.files[0]).absolute()
        target.parent.mkdir(parents=True, exist_ok=True)
        words = ["-f", "ONNX", "--modelFile", str(Path(graph).absolute()), "--MNNModel", str(target)]
        command = [sys.executable, "-I", "-c", _CONVERT, *words, "--bizCode", "lissome", "--keepInputFormat=1"]
        said = run_child(command, target.parent, seconds=SECONDS, where="mnnconvert")
        if not target.is_file() or "Converted Success" not in said:
            lines = [line for line in said.splitlines() if line.strip() and "device supports" not in line]
            target.unlink(missing_ok=True)
            raise ConversionError(
                f"wrote no MNN model: {lines[-1][:300] if lines else 'it said nothing'}", where=self.name
            )

    def offers(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Return float32, and float16 on an ARM CPU."""
        return self.precisions if platform.machine().lower() in ("aarch64", "arm64") else ("float32",)

    def _engine(self) -> Any:
        return import_quietly(self.module)  # it says what the CPU can do when it is loaded

    def _open(self, folder: Path, settings: SessionSettings) -> Session:
        engine = self._engine()
        path = str(folder / self.files[0])
        known = engine.nn.load_module_from_file(path, [], []).get_info()
        ends = [sorted(known[kind], key=_place) for kind in ("inputNames", "outputNames")]
        plan = {"backend": 0, "precision": _PRECISION[settings.precision], "numThread": settings.threads}
        manager = engine.nn.create_runtime_manager((plan,))
        if settings.options["winograd"] == "exact":
            manager.set_hint(_WINOGRAD_LEVEL, 0)
        module = engine.nn.load_module_from_file(path, *ends, runtime_manager=manager, shape_mutable=False)
        return _MnnSession(engine.expr, (module, manager), len(ends[0]), self._describe(settings))


def _place(name: str) -> tuple[int, str]:
    """Put output2 before output10; names of other kinds keep their order."""
    return (len(name), name) if name.rstrip("0123456789") in ("input", "output") else (0, "")


class _MnnSession:
    def __init__(self, expr: Any, module: tuple[Any, Any], inputs: int, description: SessionDescription) -> None:
        self._expr, self._count, self._description = expr, inputs, description
        self._module, self._manager = module  # the manager must live as long as the module
        self._turn = threading.Lock()

    def run(self, *images: Array) -> tuple[Array, ...]:
        if len(images) != self._count:
            raise EngineError(f"mnn was given {len(images)} inputs, the network has {self._count}")
        with self._turn:
            found = self._module.forward([self._variable(one) for one in images])
            outputs = found if isinstance(found, list) else [found]
            return tuple(self._array(one) for one in outputs)

    def _variable(self, image: Array) -> Any:
        array = np.ascontiguousarray(image, dtype=np.float32)
        variable = self._expr.placeholder(list(array.shape), self._expr.NCHW)
        variable.write(array)
        return variable

    def _array(self, variable: Any) -> Array:
        array = np.array(self._expr.convert(variable, self._expr.NCHW).read(), dtype=np.float32)  # a copy
        if array.size == 0:
            raise EngineError("mnn cannot run this input", fix="give the shape that the network was exported with")
        return array

    def describe(self) -> SessionDescription:
        return self._description
