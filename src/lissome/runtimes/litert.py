"""LiteRT (TensorFlow Lite) on the CPU, in float32 by its XNNPACK kernels. Its batch is 1."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lissome.core.errors import EngineError
from lissome.runtimes.one_by_one import OneByOne
from lissome.runtimes.protocol import Array, Option, Runtime, Session, SessionDescription, SessionSettings, first_line
from lissome.runtimes.quiet import import_quietly, quiet


class LiteRt(Runtime):
    """Adapter of LiteRT."""

    name: ClassVar[str] = "litert"
    package: ClassVar[str] = "ai-edge-litert"
    module: ClassVar[str] = "ai_edge_litert"
    files: ClassVar[tuple[str, ...]] = ("litert/model.tflite",)
    options: ClassVar[Mapping[str, tuple[Option, ...]]] = {"xnnpack": (True, False)}

    @property
    def install(self) -> str:
        """The line that installs the engine and what converts for it."""
        return "pip install ai-edge-litert litert-torch"

    def _open(self, folder: Path, settings: SessionSettings) -> Session:
        engine = self._engine()
        kinds = engine.OpResolverType
        with quiet():  # it tells which kernels it takes
            interpreter = engine.Interpreter(
                model_path=str(folder / self.files[0]),
                num_threads=settings.threads,
                experimental_op_resolver_type=(
                    kinds.AUTO if settings.options["xnnpack"] else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
                ),
            )
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

    def _run_one(self, planes: tuple[Array, ...]) -> list[Array]:
        given = {name: np.ascontiguousarray(one[None]) for name, one in zip(self._inputs, planes, strict=True)}
        try:
            found = self._runner(**given)
        except Exception as error:  # the engine raises its own kinds
            raise EngineError(f"litert cannot run this input: {first_line(error)}") from error
        return [np.array(found[name][0], dtype=np.float32) for name in self._outputs]
