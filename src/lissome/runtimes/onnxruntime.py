"""ONNX Runtime on the CPU. Precision is the graph's: quantized nodes run in int8, the rest in float32."""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lissome.core.errors import EngineError
from lissome.runtimes.protocol import Array, Option, ReadsOnnx, Session, SessionDescription, SessionSettings, first_line


class OnnxRuntime(ReadsOnnx):
    """Adapter of ONNX Runtime."""

    name: ClassVar[str] = "onnxruntime"
    package: ClassVar[str] = "onnxruntime"
    module: ClassVar[str] = "onnxruntime"
    files: ClassVar[tuple[str, ...]] = ("graph.onnx",)
    precisions: ClassVar[tuple[str, ...]] = ("float32", "int8")
    options: ClassVar[Mapping[str, tuple[Option, ...]]] = {"optimization": ("all", "extended", "basic", "disabled")}

    def convert(self, graph: str | os.PathLike[str], folder: str | os.PathLike[str]) -> None:
        """Take the graph as it is."""
        target = Path(folder, self.files[0])
        if Path(graph).absolute() != target.absolute():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(graph, target)

    def offers(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Return int8 for a quantized graph, else float32."""
        return (onnx_precision(Path(folder, self.files[0])),)

    def float_layers(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Return the promised layers that are left in the graph that ONNX Runtime runs after all its rewrites."""
        import onnx  # a device that only runs files has the engine and nothing else

        from lissome.runtimes.integer_promises import promised_integers, still_in_float

        promised = promised_integers(onnx.load(Path(folder, self.files[0])).graph)
        if not promised:
            return ()
        with tempfile.TemporaryDirectory(prefix="lissome-") as temporary:
            written = Path(temporary, "optimized.onnx")
            settings = SessionSettings(threads=1, precision="int8", options=self._checked({}))
            self._inner(Path(folder), settings, written)
            return still_in_float(onnx.load(written).graph, promised)

    def _open(self, folder: Path, settings: SessionSettings) -> Session:
        return _OnnxRuntimeSession(self._inner(folder, settings), self._describe(settings))

    def _inner(self, folder: Path, settings: SessionSettings, optimized: Path | None = None) -> Any:
        path = folder / self.files[0]
        engine = self._engine()
        options = session_options(engine, settings.threads, str(settings.options["optimization"]))
        if optimized is not None:
            options.optimized_model_filepath = str(optimized)
        return engine.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def session_options(engine: Any, threads: int, optimization: str = "all") -> Any:
    """Return the options of a session: one node after the other, in silence.

    Args:
        engine: The module onnxruntime.
        threads: Threads of the engine.
        optimization: A value of the option of that name.
    """
    options = engine.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = engine.ExecutionMode.ORT_SEQUENTIAL
    levels = engine.GraphOptimizationLevel
    options.graph_optimization_level = {
        "all": levels.ORT_ENABLE_ALL,
        "extended": levels.ORT_ENABLE_EXTENDED,
        "basic": levels.ORT_ENABLE_BASIC,
        "disabled": levels.ORT_DISABLE_ALL,
    }[optimization]
    options.log_severity_level = 4  # what fails is raised; the library never prints
    return options


def onnx_precision(path: Path) -> str:
    """Return "int8" if the ONNX graph quantizes anything, else "float32"."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    quantized = any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in graph.node)
    return "int8" if quantized else "float32"


class _OnnxRuntimeSession:
    def __init__(self, inner: Any, description: SessionDescription) -> None:
        self._inner, self._description = inner, description
        self._inputs = [one.name for one in inner.get_inputs()]
        self._single = all(one.shape[:1] == [1] for one in inner.get_inputs())

    def run(self, *images: Array) -> tuple[Array, ...]:
        if not self._single or any(len(one) == 1 for one in images):
            return self._infer(images)
        singles = [self._infer([one[place : place + 1] for one in images]) for place in range(len(images[0]))]
        return tuple(np.concatenate(output) for output in zip(*singles, strict=True))

    def _infer(self, images: Sequence[Array]) -> tuple[Array, ...]:
        try:
            return tuple(self._inner.run(None, dict(zip(self._inputs, images, strict=True))))
        except Exception as error:  # the engine raises its own kinds
            raise EngineError(f"onnxruntime cannot run this input: {first_line(error)}") from error

    def describe(self) -> SessionDescription:
        return self._description
