"""Sessions that callers take in turn, so that as many run at once as there are sessions."""

import queue
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lissome.runtimes.protocol import Array, SessionDescription


class _Runs(Protocol):
    def run(self, *images: npt.NDArray[Any]) -> tuple[Array, ...]: ...

    def describe(self) -> SessionDescription: ...


class SessionPool:
    """Several sessions of one network. Made by `Artifact.pool`; any number of threads may call it.

    Args:
        sessions: At least one; each is used by one caller at a time.
    """

    def __init__(self, sessions: Sequence[_Runs]) -> None:
        self._size, self._description = len(sessions), sessions[0].describe()
        self._free: queue.SimpleQueue[_Runs] = queue.SimpleQueue()
        for one in sessions:
            self._free.put(one)

    def __len__(self) -> int:
        return self._size

    def run(self, *images: npt.NDArray[np.uint8] | Array) -> tuple[Array, ...]:
        """Return the outputs as `ArtifactSession.run` does, from the next session that is free."""
        session = self._free.get()
        try:
            return session.run(*images)
        finally:
            self._free.put(session)

    def describe(self) -> SessionDescription:
        """Return engine, version, precision and threads of each session."""
        return self._description
