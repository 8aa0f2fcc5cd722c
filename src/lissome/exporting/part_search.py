"""Which parts of a network an engine runs, found by trying, and who runs the others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lissome.core.errors import ConversionError, EngineError, LissomeError
from lissome.core.names import choose
from lissome.core.outcome import Note
from lissome.exporting.converters import CONVERTERS, Examples
from lissome.exporting.cutting import Cutter, Piece
from lissome.exporting.parity import compare
from lissome.exporting.samples import Samples
from lissome.runtimes.protocol import Array, Session
from lissome.runtimes.table import get_runtime
from lissome.runtimes.torch import TorchSession

Function = Callable[..., Array]
"""A user's function: takes one array (N, …) a value that crosses in, returns one array (N, …)."""

MOST_PARTS = 15
"""A network in more parts than this is not worth it: each cut copies whole activations."""


@dataclass(frozen=True, slots=True)
class LoadedPart:
    """A part that is ready to run and was compared.

    Args:
        engine: Where it runs; "plug-in" for a user's function.
        piece: Its nodes.
        call: Runs it.
        crossing_kib: Size of what crosses into it, for one image.
        reason: Why the first engine does not run it; "" where it does.
    """

    engine: str
    piece: Piece
    call: Callable[..., tuple[Array, ...]]
    crossing_kib: float
    reason: str = ""


class PartSearch:
    """Finds the parts from the front to the back, by trying.

    Args:
        model: A traceable module in eval mode.
        engine: Runs as much as it can.
        rest: Runs what the first cannot.
        samples: What each part is compared on.
        plugins: The user's functions by a layer's path or an operator's name.
        threads: Threads of each engine.
        folder: Where converted parts may lie.

    Attributes:
        cutter: The network that is cut.

    Raises:
        TraceError: The network cannot be cut.
        UnknownNameError: A function for what the network does not have.
    """

    def __init__(
        self,
        model: nn.Module,
        engine: str,
        rest: str,
        samples: Samples,
        plugins: Mapping[str, Function],
        threads: int,
        folder: Path,
    ) -> None:
        self.cutter = Cutter(model, samples.inputs)
        self._engines, self._plugins, self._threads, self._folder = (engine, rest), plugins, threads, folder
        self._values = dict(zip(self.cutter.given, samples.inputs, strict=True))
        self._tries = 0
        for name in plugins:
            choose(dict.fromkeys(self.cutter.layers), name, "layer or operator of this network")

    def all_parts(self) -> list[LoadedPart]:
        """Return the parts in order.

        Raises:
            ConversionError: The rest cannot run what is left, or there are too many parts.
            EngineError: A user's function fails; names it.
            ParityError: The rest, or a user's function, computes something else.
        """
        places, start, found = self.cutter.places(), 0, list[LoadedPart]()
        while start < len(self.cutter):
            behind = [place for place in places if place > start]
            loaded, stop, reason = self._longest(start, behind)
            if loaded:
                found.append(loaded)
            if stop < len(self.cutter):
                following = next(place for place in places if place > stop)
                found.append(self._elsewhere(stop, following, reason))
                stop = following
            start = stop
            if len(found) > MOST_PARTS:
                first = next(one.reason for one in found if one.reason)
                raise ConversionError(
                    f"falls into more than {MOST_PARTS} parts; the first reason is: {first}",
                    where=self._engines[0],
                    fix="choose another runtime",
                )
        return found

    def unused(self, found: list[LoadedPart]) -> tuple[Note, ...]:
        """Return a note for each function that no part needed."""
        taken = {layer for one in found if one.engine == "plug-in" for layer in one.piece.layers}
        reason = f"{self._engines[0]} runs it itself, the function is not used"
        return tuple(Note(name, reason, applied=False) for name in self._plugins if name not in taken)

    def _longest(self, start: int, behind: list[int]) -> tuple[LoadedPart | None, int, str]:
        """Return the longest part from start that the first engine runs, where it ends, and why it ends there."""
        low, high, best, reason = -1, len(behind), None, ""
        while high - low > 1:
            middle = high - 1 if low == -1 and high == len(behind) else (low + high) // 2
            try:
                best = self._load(self._engines[0], self.cutter.piece(start, behind[middle]))
                low = middle
            except LissomeError as error:
                high, reason = middle, str(error)
        return best, behind[low] if best else start, reason

    def _elsewhere(self, start: int, stop: int, reason: str) -> LoadedPart:
        piece = self.cutter.piece(start, stop)
        function = next((self._plugins[layer] for layer in piece.layers if layer in self._plugins), None)
        if function is None:
            return self._load(self._engines[1], piece, reason)
        expected, inputs = self._expected(piece)
        where = f"plug-in for {', '.join(piece.layers)}"
        call = _checked(function, where)
        compare(expected, call(*(one.numpy() for one in inputs)), engine=where).require()
        return LoadedPart("plug-in", piece, call, self._crossing(piece), reason)

    def _load(self, engine: str, piece: Piece, reason: str = "") -> LoadedPart:
        """Convert, load and compare a piece; what crosses out of it is kept for the next."""
        expected, inputs = self._expected(piece)
        session = self._session(engine, piece.module.eval(), inputs)
        compare(expected, session.run(*(one.numpy() for one in inputs)), engine=engine).require()
        shapes = [one.shape[1:] for one in expected]
        return LoadedPart(engine, piece, _shaped(session, shapes), self._crossing(piece), reason)

    def _session(self, engine: str, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> Session:
        if engine == "torch":
            return TorchSession(module, threads=self._threads)  # as it is: a file of it would hold fewer operators
        self._tries += 1
        place = self._folder / str(self._tries)
        place.mkdir()
        CONVERTERS[engine](module, Examples(tuple(one[:1] for one in inputs)), place)
        return get_runtime(engine).load(place, threads=self._threads)

    def _expected(self, piece: Piece) -> tuple[list[Array], tuple[torch.Tensor, ...]]:
        inputs = tuple(self._values[name] for name in piece.inputs)
        with torch.no_grad():
            made = piece.module(*inputs)
        outputs = made if isinstance(made, tuple) else (made,)
        self._values |= dict(zip(piece.outputs, outputs, strict=True))
        return [one.numpy() for one in outputs], inputs

    def _crossing(self, piece: Piece) -> float:
        return sum(self._values[name][0].numel() * 4 for name in piece.inputs) / 1024


def _checked(function: Function, where: str) -> Callable[..., tuple[Array, ...]]:
    """Return a call of a user's function whose failure says whose it is."""

    def call(*arrays: Array) -> tuple[Array, ...]:
        try:
            return (np.ascontiguousarray(function(*arrays), dtype=np.float32),)
        except Exception as error:
            raise EngineError(f"fails: {type(error).__name__}: {error}", where=where) from error

    return call


def _shaped(session: Session, shapes: list[Any]) -> Callable[..., tuple[Array, ...]]:
    """Return a call that gives each output the shape it has in the network: ncnn drops dimensions of 1."""

    def call(*arrays: Array) -> tuple[Array, ...]:
        return tuple(one.reshape(len(one), *shape) for one, shape in zip(session.run(*arrays), shapes, strict=True))

    return call
