"""LiteRT (TensorFlow Lite) on the CPU, in float32 or int8 by its XNNPACK kernels. Its batch is 1."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from lissome.core.errors import EngineError
from lissome.runtimes.one_by_one import OneByOne
from lissome.runtimes.protocol import Array, Option, Runtime, Session, SessionDescription, SessionSettings, first_line
from lissome.runtimes.quiet import import_quietly, quiet

_MULTIPLYING = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BATCH_MATMUL")


class LiteRt(Runtime):
    """Adapter of LiteRT."""

    name: ClassVar[str] = "litert"
    package: ClassVar[str] = "ai-edge-litert"
    module: ClassVar[str] = "ai_edge_litert"
    files: ClassVar[tuple[str, ...]] = ("litert/model.tflite",)
    precisions: ClassVar[tuple[str, ...]] = ("float32", "int8")
    options: ClassVar[Mapping[str, tuple[Option, ...]]] = {"xnnpack": (True, False)}

    @property
    def install(self) -> str:
        """The line that installs the engine and what converts for it."""
        return "pip install ai-edge-litert litert-torch"

    def offers(self, folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Return what the file computes in."""
        return ("int8",) if self.integer_layers(folder) else ("float32",)

    def integer_layers(self, folder: str | os.PathLike[str]) -> int:
        """Return how many convolutions and linear layers of the file multiply integers.

        Args:
            folder: Where `files` lie.
        """
        interpreter = self._interpreter(Path(folder), threads=1, xnnpack=False)
        kinds = {one["index"]: one["dtype"] for one in interpreter.get_tensor_details()}
        # The interpreter has no public list of its operators.
        operators = (one for one in interpreter._get_ops_details() if one["op_name"] in _MULTIPLYING)
        return sum(all(kinds[place] == np.int8 for place in one["inputs"][:2]) for one in operators)

    def _interpreter(self, folder: Path, *, threads: int, xnnpack: bool) -> Any:
        engine = self._engine()
        kinds = engine.OpResolverType
        return engine.Interpreter(
            model_path=str(folder / self.files[0]),
            num_threads=threads,
            experimental_op_resolver_type=kinds.AUTO if xnnpack else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )

    def _open(self, folder: Path, settings: SessionSettings) -> Session:
        with quiet():  # it tells which kernels it takes
            interpreter = self._interpreter(folder, threads=settings.threads, xnnpack=bool(settings.options["xnnpack"]))
            interpreter.allocate_tensors()
        signatures = interpreter.get_signature_list()
        if len(signatures) != 1:
            raise EngineError(f"litert finds {len(signatures)} networks in the file", fix="export it again")
        (name,) = signatures
        ends = [sorted(signatures[name][kind], key=_place) for kind in ("inputs", "outputs")]
        runner = interpreter.get_signature_runner(name)
        return _LiteRtSession((interpreter, runner), ends, self._describe(settings))

    def _engine(self) -> Any:
        return import_quietly(f"{self.module}.interpreter")


def _place(name: str) -> tuple[int, str]:
    """Put output_2 before output_10."""
    return (len(name), name)


class _LiteRtSession(OneByOne):
    """One image at a time, and one caller at a time: the interpreter has one set of tensors."""

    def __init__(self, engine: tuple[Any, Any], ends: list[list[str]], description: SessionDescription) -> None:
        super().__init__(len(ends[0]), description, shared=False)
        self._interpreter, self._runner = engine  # the interpreter must live as long as its runner
        self._inputs, self._outputs = ends
        details = self._runner.get_input_details()
        self._scales = [
            details[name]["quantization"] if details[name]["dtype"] == np.int8 else None for name in ends[0]
        ]

    def _run_one(self, planes: tuple[Array, ...]) -> list[Array]:
        given = {
            name: np.ascontiguousarray(one[None]) if scale is None else _rounded(one[None], *scale)
            for name, one, scale in zip(self._inputs, planes, self._scales, strict=True)
        }
        try:
            found = self._runner(**given)
        except Exception as error:  # the engine raises its own kinds
            raise EngineError(f"litert cannot run this input: {first_line(error)}") from error
        return [np.array(found[name][0], dtype=np.float32) for name in self._outputs]


def _rounded(values: Array, scale: float, zero_point: int) -> npt.NDArray[np.int8]:
    """Return the integers of an input: a file in int8 leaves their making to its caller."""
    integers: npt.NDArray[np.int8] = np.clip(np.rint(values / scale) + zero_point, -128, 127).astype(np.int8)
    return integers
