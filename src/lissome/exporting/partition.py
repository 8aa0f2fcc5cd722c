"""A network that one engine cannot run as a whole: most of it there, the rest elsewhere, and what the cuts cost.

What an engine lacks is found by trying: the longest run of nodes that it converts, loads and computes right is its; the
node behind it goes to the other engine or to a function of the user, and so on. So a wrong operator is treated like a
missing one, and no list of operators has to be kept.
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lissome.core.context import Context
from lissome.core.errors import ConversionError, EngineError, LissomeError, SettingError
from lissome.core.names import choose
from lissome.core.text_table import render
from lissome.exporting.converters import CONVERTERS, Examples
from lissome.exporting.cutting import Cutter, Piece
from lissome.exporting.parity import FLOAT, Parity, compare
from lissome.exporting.reference import Reference
from lissome.exporting.samples import Samples, take_samples
from lissome.runtimes.protocol import Array, Session
from lissome.runtimes.table import get_runtime
from lissome.runtimes.torch import TorchSession

Function = Callable[..., Array]
"""A user's function: takes one array (N, …) a value that crosses in, returns one array (N, …)."""

MOST_PARTS = 15
"""A network in more parts than this is not worth it: each cut copies whole activations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a partitioned network.

    Args:
        engine: Where it runs; "plug-in" for a user's function.
        layers: Its layers and operators.
        inputs: Values that cross into it.
        outputs: Values that cross out of it.
        crossing_kib: Size of what crosses into it, for one image.
        milliseconds: Least time of one image, of a few runs.
        reason: Why the first engine does not run it; "" where it does.
    """

    engine: str
    layers: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    crossing_kib: float
    milliseconds: float
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the part as plain JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


class Partition:
    """A network in parts, loaded and proved. Made by `partition`.

    Args:
        parts: What runs where, in order.
        parity: The comparison of the whole with the network.
        session: Runs the whole.
    """

    def __init__(self, parts: tuple[Part, ...], parity: Parity, session: "PartitionSession") -> None:
        self.parts, self.parity, self._session = parts, parity, session

    def run(self, *images: Array) -> tuple[Array, ...]:
        """Return the outputs of the whole network for (N, …) float32 arrays."""
        return self._session.run(*images)

    def to_dict(self) -> dict[str, Any]:
        """Return parts and comparison as plain JSON values."""
        return {"parts": [one.to_dict() for one in self.parts], "parity": self.parity.to_dict()}

    def __str__(self) -> str:
        whole = sum(one.milliseconds for one in self.parts)
        rows = [
            (
                one.engine,
                one.layers[0] if len(one.layers) == 1 else f"{one.layers[0]} … {one.layers[-1]}",
                *(str(len(one.layers)), f"{one.crossing_kib:.1f}", f"{one.milliseconds:.3f}"),
                f"{one.milliseconds / whole:.0%}" if whole else "",
            )
            for one in self.parts
        ]
        title = f"{len(self.parts)} parts, {sum(one.crossing_kib for one in self.parts[1:]):.1f} KiB cross the cuts"
        reasons = [f"{', '.join(one.layers)}: {one.reason}" for one in self.parts if one.reason]
        columns = ("engine", "layers", "nodes", "KiB in", "ms", "share")
        return "\n".join([render(columns, rows, title=title, left=2), *reasons])


class PartitionSession:
    """Runs parts one after the other, handing on what crosses.

    Args:
        steps: Each part's call with the names of what it takes and gives.
        given: Names of the network's inputs.
        made: Names of its outputs.
    """

    def __init__(
        self,
        steps: list[tuple[Callable[..., tuple[Array, ...]], Piece]],
        given: tuple[str, ...],
        made: tuple[str, ...],
    ) -> None:
        self._steps, self._given, self._made = steps, given, made

    def run(self, *images: Array) -> tuple[Array, ...]:
        """Return the outputs of the whole network."""
        return self.run_timed(*images)[0]

    def run_timed(self, *images: Array) -> tuple[tuple[Array, ...], list[float]]:
        """Return the outputs, and the seconds of each part."""
        if len(images) != len(self._given):
            raise EngineError(f"{len(images)} inputs were given, the network has {len(self._given)}")
        values = dict(zip(self._given, images, strict=True))
        seconds = []
        for call, piece in self._steps:
            started = time.perf_counter()
            found = call(*(values[name] for name in piece.inputs))
            seconds.append(time.perf_counter() - started)
            values |= dict(zip(piece.outputs, found, strict=True))
        return tuple(values[name] for name in self._made), seconds


def partition(
    model: nn.Module,
    engine: str,
    context: Context,
    *,
    rest: str = "torch",
    plugins: Mapping[str, Function] | None = None,
    threads: int = 1,
) -> Partition:
    """Run what an engine can on it, and the rest on another engine or by functions of the user.

    Args:
        model: A traceable module that computes in float; left as it was.
        engine: The engine that is to run as much as it can.
        context: Samples; N ≥ 2 are taken.
        rest: The engine that runs what the first cannot.
        plugins: A function for a layer's path or an operator's name, which then runs that node alone.
        threads: Threads of each engine, ≥ 1.

    Raises:
        UnknownNameError: An engine that does not exist.
        SettingError: Both engines are the same.
        TraceError: The network cannot be cut.
        ConversionError: The rest cannot run what is left, or the network falls into too many parts.
        ParityError: A user's function computes something else than the operator; names it.

    Example:
        >>> class Sorted(nn.Module):
        ...     def forward(self, x):
        ...         return torch.sort(torch.relu(x))[0] + 1
        >>> parts = partition(Sorted(), "ncnn", Context(example=torch.randn(2, 3, 4, 4))).parts
        >>> [part.engine for part in parts]
        ['ncnn', 'torch', 'ncnn']
    """
    for name in (engine, rest):
        choose(CONVERTERS, name, "runtime")
        get_runtime(name).require()
    if engine == rest:
        raise SettingError(f"both engines are {engine}", where="partition", fix="choose another for the rest")
    samples = take_samples(context)
    with tempfile.TemporaryDirectory(prefix="lissome-parts-") as folder:
        search = _Search(model.eval(), engine, rest, samples, dict(plugins or {}), threads, Path(folder))
        found = search.all_parts()
    session = PartitionSession([(one.call, one.piece) for one in found], search.cutter.given, search.cutter.made)
    arrays = [one.numpy() for one in samples.inputs]
    parity = Reference(model, samples).compare(session.run(*arrays), engine=f"{engine} and {rest}", limits=FLOAT)
    parity.require()
    seconds = np.min([session.run_timed(*(one[:1] for one in arrays))[1] for _ in range(5)], axis=0)
    parts = tuple(
        Part(
            engine=one.engine,
            layers=one.piece.layers,
            inputs=one.piece.inputs,
            outputs=one.piece.outputs,
            crossing_kib=one.crossing_kib,
            milliseconds=float(second) * 1e3,
            reason=one.reason,
        )
        for one, second in zip(found, seconds, strict=True)
    )
    return Partition(parts, parity, session)


@dataclass(frozen=True, slots=True)
class _Loaded:
    engine: str
    piece: Piece
    call: Callable[..., tuple[Array, ...]]
    crossing_kib: float
    reason: str = ""


class _Search:
    """Finds the parts from the front to the back, by trying."""

    def __init__(
        self,
        model: nn.Module,
        engine: str,
        rest: str,
        samples: Samples,
        plugins: dict[str, Function],
        threads: int,
        folder: Path,
    ) -> None:
        self.cutter = Cutter(model, samples.inputs)
        self._engines, self._plugins, self._threads, self._folder = (engine, rest), plugins, threads, folder
        self._values = dict(zip(self.cutter.given, samples.inputs, strict=True))
        self._tries = 0

    def all_parts(self) -> list[_Loaded]:
        places, start, found = self.cutter.places(), 0, list[_Loaded]()
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
                raise ConversionError(
                    f"falls into more than {MOST_PARTS} parts; the first reason is: {found[1].reason}",
                    where=self._engines[0],
                    fix="choose another runtime",
                )
        return found

    def _longest(self, start: int, behind: list[int]) -> tuple[_Loaded | None, int, str]:
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

    def _elsewhere(self, start: int, stop: int, reason: str) -> _Loaded:
        piece = self.cutter.piece(start, stop)
        function = next((self._plugins[layer] for layer in piece.layers if layer in self._plugins), None)
        if function is None:
            return self._load(self._engines[1], piece, reason)
        expected, inputs = self._expected(piece)

        def call(*arrays: Array) -> tuple[Array, ...]:
            return (np.ascontiguousarray(function(*arrays), dtype=np.float32),)

        where = f"plug-in for {', '.join(piece.layers)}"
        compare(expected, call(*(one.numpy() for one in inputs)), engine=where).require()
        return _Loaded("plug-in", piece, call, self._crossing(piece), reason)

    def _load(self, engine: str, piece: Piece, reason: str = "") -> _Loaded:
        """Convert, load and compare a piece; what crosses out of it is kept for the next."""
        expected, inputs = self._expected(piece)
        session = self._session(engine, piece.module.eval(), inputs)
        compare(expected, session.run(*(one.numpy() for one in inputs)), engine=engine).require()
        shapes = [one.shape[1:] for one in expected]
        return _Loaded(engine, piece, _shaped(session, shapes), self._crossing(piece), reason)

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


def _shaped(session: Session, shapes: list[Any]) -> Callable[..., tuple[Array, ...]]:
    """Return a call that gives each output the shape it has in the network: ncnn drops dimensions of 1."""

    def call(*arrays: Array) -> tuple[Array, ...]:
        return tuple(one.reshape(len(one), *shape) for one, shape in zip(session.run(*arrays), shapes, strict=True))

    return call
