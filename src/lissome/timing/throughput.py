"""Images a second over batch sizes and engines."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from lissome.core.errors import LissomeError, SettingError
from lissome.core.names import choose
from lissome.core.text_table import render
from lissome.runtimes.table import RUNTIMES
from lissome.timing.loaded import load_proved
from lissome.timing.measure import Latency, measure
from lissome.timing.pinned import pinned
from lissome.timing.source_graph import input_noise

_BATCHED = "its batch is 1: a batch is run image by image"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputRow:
    """One batch size on one engine.

    Args:
        runtime: The engine.
        precision: What it computes in; "" where it was not loaded.
        batch: Images a call.
        latency: Time of a call; None where it could not be timed.
        reason: Why not; "" where it was.
    """

    runtime: str
    precision: str = ""
    batch: int
    latency: Latency | None = None
    reason: str = ""

    @property
    def images_per_second(self) -> float | None:
        """Images a second, by the median."""
        return 1e3 * self.batch / self.latency.median_ms if self.latency else None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain JSON values."""
        names = ("runtime", "precision", "batch", "images_per_second", "reason")
        latency = self.latency.to_dict() if self.latency else None
        return {name: getattr(self, name) for name in names} | {"latency": latency}


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Images a second of a network.

    Args:
        name: The network.
        threads: Threads of each engine.
        rows: In order of engine and batch size.
        notes: What a reader must know.
    """

    name: str
    threads: int
    rows: tuple[ThroughputRow, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain JSON values."""
        rows = [row.to_dict() for row in self.rows]
        return {"name": self.name, "threads": self.threads, "throughput": rows, "notes": list(self.notes)}

    def __str__(self) -> str:
        columns = ("engine", "precision", "batch", "ms a call", "ms an image", "images/s")
        shown = [
            (
                *(row.runtime, row.precision, str(row.batch)),
                *(f"{value:.3f}" for value in (row.latency.median_ms, row.latency.median_ms / row.batch)),
                f"{row.images_per_second:,.1f}",
            )
            for row in self.rows
            if row.latency
        ]
        failed = [f"{row.runtime}, batch {row.batch}: {row.reason}" for row in self.rows if not row.latency]
        title = f"{self.name}, {self.threads} thread{'' if self.threads == 1 else 's'} an engine"
        return "\n".join([render(columns, shown, title=title, left=2), *failed, *self.notes])


def throughput(
    model: nn.Module,
    input: Sequence[int],
    *,
    on: Sequence[str] = ("onnxruntime",),
    batches: Sequence[int] = (1, 2, 4, 8),
    threads: int = 1,
    seconds: float = 5.0,
    seed: int = 0,
) -> Throughput:
    """Time batches of several sizes on engines, the sizes in turn.

    Args:
        model: A module with one input; left as it was.
        input: Shape of the input; its batch does not matter.
        on: Engines; one that is not there says so in its rows.
        batches: Images a call, each ≥ 1.
        threads: Threads of each engine.
        seconds: Time for each engine.
        seed: Seed of the input and of the order of turns.

    Raises:
        UnknownNameError: An engine that does not exist.
        SettingError: No engine, no batch size, or one below 1.

    Example:
        >>> found = throughput(nn.Conv2d(3, 4, 1), (1, 3, 8, 8), on=("torch",), batches=(1, 2), seconds=0.02)
        >>> [row.batch for row in found.rows]
        [1, 2]
    """
    if not on or not batches or min(batches) < 1:
        raise SettingError(
            f"engines {list(on)}, batches {list(batches)}", where="throughput", fix="name an engine, and batches ≥ 1"
        )
    for runtime in on:
        choose(RUNTIMES, runtime, "runtime")
    rows: list[ThroughputRow] = []
    for runtime in dict.fromkeys(on):
        rows += _rows(model, tuple(input), runtime, tuple(dict.fromkeys(batches)), threads, (seconds, seed))
    notes = (f"ncnn: {_BATCHED}",) if "ncnn" in on and max(batches) > 1 else ()
    return Throughput(name=type(model).__name__, threads=threads, rows=tuple(rows), notes=notes)


def _rows(
    model: nn.Module,
    shape: tuple[int, ...],
    runtime: str,
    batches: tuple[int, ...],
    threads: int,
    limits: tuple[float, int],
) -> list[ThroughputRow]:
    seconds, seed = limits
    try:
        with tempfile.TemporaryDirectory(prefix="lissome-batches-") as folder, pinned(threads):
            session = load_proved(model, input_noise(((1, *shape[1:]),), seed), runtime, Path(folder), threads=threads)
            pictures = {batch: input_noise(((batch, *shape[1:]),), seed)[0].numpy() for batch in batches}
            calls: dict[str, Callable[[], object]] = {
                str(batch): partial(session.run, np.ascontiguousarray(one)) for batch, one in pictures.items()
            }
            timing = measure(calls, rounds=10, seconds=seconds, seed=seed)
    except LissomeError as error:
        return [ThroughputRow(runtime=runtime, batch=batch, reason=str(error)) for batch in batches]
    precision = session.describe().precision
    return [
        ThroughputRow(runtime=runtime, precision=precision, batch=batch, latency=timing.latency(str(batch)))
        for batch in batches
    ]
