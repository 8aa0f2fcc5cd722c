"""A folder that keeps each finished step, so that an interrupted run goes on from its last one."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout
from torch import nn

from lissome.core.errors import BadArtifactError, BadModelError, RunError
from lissome.core.processes import processes
from lissome.core.snapshot import read_snapshot, write_snapshot


class RunDirectory:
    """A memory for `Context` that lives in a folder. Use it in a `with` block: only one process at a time may.

    Steps are kept under a key of the input model, the settings of all steps so far, the data and the seed; a changed
    recipe therefore repeats only what changed. Of the processes of ``torchrun`` the first one alone writes; a step that
    not all of them find is repeated by all.

    Args:
        path: The folder; made if absent.

    Raises:
        RunError: Another process is using the folder, or it cannot be written to.

    Example:
        >>> import tempfile
        >>> from torch import nn
        >>> with RunDirectory(tempfile.mkdtemp()) as run:
        ...     run.keep("abc", nn.ReLU(), {"step": "Nothing"})
        ...     run.recall("abc")[1], run.recall("abd")
        ({'step': 'Nothing'}, None)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = FileLock(self.path / ".lock")

    def __enter__(self) -> Self:
        if not processes().is_first:
            return self
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise RunError(
                "another process is using this run", where=str(self.path), fix="wait, or choose another"
            ) from error
        except OSError as error:
            raise RunError(
                f"cannot be used: {error.strerror}", where=str(self.path), fix="choose a folder you may write to"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def recall(self, key: str) -> tuple[nn.Module, dict[str, Any]] | None:
        """Return the model and receipt kept under the key; None if there is none or the file is damaged."""
        kept = self._read(key)
        return kept if processes().agree(kept is not None) else None

    def keep(self, key: str, model: nn.Module, receipt: dict[str, Any]) -> None:
        """Keep a finished step; a model that cannot be written is not kept, and its step is repeated on resume."""
        if processes().is_first:
            with suppress(BadModelError):
                write_snapshot(model, self._file(key), receipt)
        processes().wait()

    def _read(self, key: str) -> tuple[nn.Module, dict[str, Any]] | None:
        try:
            return read_snapshot(self._file(key))
        except BadArtifactError:
            return None

    def _file(self, key: str) -> Path:
        return self.path / "steps" / f"{key}.safetensors"
