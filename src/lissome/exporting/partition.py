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
from torch import nn

from lissome.core.context import Context
from lissome.core.errors import EngineError, SettingError
from lissome.core.names import choose
from lissome.core.outcome import Note
from lissome.core.text_table import render
from lissome.exporting.converters import CONVERTERS
from lissome.exporting.cutting import Piece
from lissome.exporting.parity import FLOAT, Parity
from lissome.exporting.part_search import Function, PartSearch
from lissome.exporting.reference import Reference
from lissome.exporting.samples import take_samples
from lissome.runtimes.protocol import Array
from lissome.runtimes.table import get_runtime


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
        notes: The user's functions that were not needed.
    """

    def __init__(
        self, parts: tuple[Part, ...], parity: Parity, session: "PartitionSession", notes: tuple[Note, ...] = ()
    ) -> None:
        self.parts, self.parity, self._session, self.notes = parts, parity, session, notes

    def run(self, *images: Array) -> tuple[Array, ...]:
        """Return the outputs of the whole network for (N, …) float32 arrays."""
        return self._session.run(*images)

    def to_dict(self) -> dict[str, Any]:
        """Return parts, comparison and notes as plain JSON values."""
        return {
            "parts": [one.to_dict() for one in self.parts],
            "parity": self.parity.to_dict(),
            "notes": [one.to_dict() for one in self.notes],
        }

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
        return "\n".join([render(columns, rows, title=title, left=2), *reasons, *map(str, self.notes)])


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
        UnknownNameError: An engine that does not exist, or a function for what the network does not have.
        SettingError: Both engines are the same.
        TraceError: The network cannot be cut.
        ConversionError: The rest cannot run what is left, or the network falls into too many parts.
        EngineError: A user's function fails; names it.
        ParityError: A user's function computes something else than the operator; names it.

    Example:
        >>> import torch
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
        search = PartSearch(model.eval(), engine, rest, samples, plugins or {}, threads, Path(folder))
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
    return Partition(parts, parity, session, search.unused(found))
