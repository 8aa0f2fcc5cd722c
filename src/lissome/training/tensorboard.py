"""Curves of a training as TensorBoard reads them."""

import copy
import os
import secrets
import time
import weakref
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from lissome.core.errors import LissomeError
from lissome.core.processes import processes


class TensorBoard:
    """Writes loss, validation metric and learning rate of each epoch where ``tensorboard --logdir`` finds them.

    A curve is named by the steps it belongs to, ``2_Train/loss`` or ``1_Slim/3_Train/loss``. Everything is written when
    its epoch ends. Of several processes the first alone writes.

    Args:
        path: The folder; made when there is something to write.

    Raises:
        LissomeError: tensorboardX, which writes the files, is not installed; says the pip line.

    Example:
        ``Context(task, curves=TensorBoard("curves"))``, or ``lissome compress … --tensorboard curves``.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if find_spec("tensorboardX") is None:
            raise LissomeError(
                "tensorboardX is not installed", where="TensorBoard", fix='pip install "lissome[tensorboard]"'
            )
        self._file = _EventFile(Path(path))
        self._place = ""

    def within(self, part: str) -> Self:
        """Return one that writes to the same file, with the part's name before those of its curves."""
        inner = copy.copy(self)
        inner._place = f"{self._place}{part}/"
        return inner

    def add(self, figures: Mapping[str, float], epoch: int) -> None:
        """Write the figures of an epoch."""
        if processes().is_first:
            self._file.write({f"{self._place}{name}": value for name, value in figures.items()}, epoch)


class _EventFile:
    """One file for all curves, opened by the first of them: until then it can be handed to another process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None

    def write(self, figures: Mapping[str, float], epoch: int) -> None:
        """Write at once, so that a killed run has all its epochs: tensorboardX's own queue would keep some back."""
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

        if self._writer is None:
            self._writer = self._opened()
        for name, value in figures.items():
            self._writer.write_event(Event(wall_time=time.time(), step=epoch, summary=scalar(name, value)))
        self._writer.flush()

    def _opened(self) -> Any:
        from tensorboardX.event_file_writer import EventsWriter

        self._path.mkdir(parents=True, exist_ok=True)
        # Files are named by the second; those of other workers must not be written over.
        writer = EventsWriter(str(self._path / "events"), filename_suffix=f".{secrets.token_hex(4)}")
        weakref.finalize(self, writer.close)
        return writer
