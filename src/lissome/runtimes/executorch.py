"""ExecuTorch on the CPU, in float32 by XNNPACK. Its batch is 1, and its threads are the whole process's."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lissome.core.errors import EngineError, SettingError
from lissome.runtimes.one_by_one import OneByOne
from lissome.runtimes.protocol import Array, Runtime, Session, SessionDescription, SessionSettings, first_line
from lissome.runtimes.quiet import import_quietly, quiet


class ExecuTorch(Runtime):
    """Adapter of ExecuTorch."""

    name: ClassVar[str] = "executorch"
    package: ClassVar[str] = "executorch"
    module: ClassVar[str] = "executorch"
    files: ClassVar[tuple[str, ...]] = ("executorch/model.pte",)

    def _open(self, folder: Path, settings: SessionSettings) -> Session:
        engine = import_quietly("executorch.runtime")
        pool = import_quietly("executorch.extension.pybindings.portable_lib")
        with quiet():  # it tells what it finds out about the CPU
            pool._unsafe_reset_threadpool(settings.threads)
            program = engine.Runtime.get().load_program((folder / self.files[0]).read_bytes())
            method = program.load_method("forward")
        kept = pool._threadpool_get_thread_count()
        if kept != settings.threads:
            raise SettingError(f"takes {kept} threads, not {settings.threads}", where=self.name)
        return _ExecuTorchSession((program, method), pool, self._describe(settings))


class _ExecuTorchSession(OneByOne):
    def __init__(self, loaded: tuple[Any, Any], pool: Any, description: SessionDescription) -> None:
        self._program, self._method = loaded  # the program must live as long as its method
        super().__init__(self._method.metadata.num_inputs(), description, shared=False)
        self._pool = pool

    def _run_one(self, planes: tuple[Array, ...]) -> list[Array]:
        kept = self._pool._threadpool_get_thread_count()
        if kept != self._description.threads:
            raise EngineError(
                f"executorch was set to {kept} threads by another session; its threads are the whole process's",
                fix="load all sessions with the same number of threads",
            )
        import torch  # here, lest asking for the adapter load it

        inputs = [torch.from_numpy(np.ascontiguousarray(one[None])) for one in planes]
        try:
            found = self._method.execute(inputs)
        except Exception as error:  # the engine raises its own kinds
            raise EngineError(f"executorch cannot run this input: {first_line(error)}") from error
        return [one.detach()[0].float().numpy().copy() for one in found]
