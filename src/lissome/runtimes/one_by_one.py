"""Sessions of engines whose batch is 1: a batch is run image by image."""

import threading
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext

import numpy as np

from lissome.core.errors import EngineError
from lissome.runtimes.protocol import Array, SessionDescription


class OneByOne(ABC):
    """A session that runs each image of a batch on its own.

    Args:
        inputs: How many inputs the network has.
        description: What the session is.
        shared: Whether several threads may be inside of the engine; else they take turns.
    """

    def __init__(self, inputs: int, description: SessionDescription, *, shared: bool = True) -> None:
        self._count, self._description = inputs, description
        self._turn: AbstractContextManager[object] = nullcontext() if shared else threading.Lock()

    def run(self, *images: Array) -> tuple[Array, ...]:
        """Return the outputs of each image, stacked."""
        if len(images) != self._count:
            raise EngineError(
                f"{self._description.engine} was given {len(images)} inputs, the network has {self._count}"
            )
        with self._turn:
            singles = [self._run_one(one) for one in zip(*images, strict=True)]
        return tuple(np.stack(output) for output in zip(*singles, strict=True))

    def describe(self) -> SessionDescription:
        """Return engine, version, precision and threads."""
        return self._description

    @abstractmethod
    def _run_one(self, planes: tuple[Array, ...]) -> list[Array]:
        """Return the outputs for one image, without the batch, in memory of their own."""
