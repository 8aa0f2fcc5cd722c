"""Artifacts × engines × threads, each cell timed or with the reason why not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from lissome.core.errors import LissomeError, SettingError
from lissome.core.names import choose
from lissome.core.text_table import render
from lissome.runtimes.artifact import Artifact
from lissome.runtimes.protocol import Array
from lissome.runtimes.table import RUNTIMES
from lissome.timing.measure import Latency, measure
from lissome.timing.pinned import pinned
from lissome.timing.statistics import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One artifact on one engine.

    Args:
        name: The artifact's name.
        runtime: The engine.
        threads: Threads of the engine.
        precision: What it computes in; "" where it was not loaded.
        latency: Least, median and greatest time; None where it could not be timed.
        speedup: Over the first artifact on the same engine and threads; None for the first.
        stalled: Rounds that were disturbed and left out.
        reason: Why it could not be timed; "" where it was.
    """

    name: str
    runtime: str
    threads: int
    precision: str = ""
    latency: Latency | None = None
    speedup: Interval | None = None
    stalled: int = 0
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the cell as plain JSON values."""
        table = {name: getattr(self, name) for name in ("name", "runtime", "threads", "precision", "stalled", "reason")}
        table["latency"] = self.latency.to_dict() if self.latency else None
        table["speedup"] = self.speedup.to_dict() if self.speedup else None
        return table


@dataclass(frozen=True, slots=True)
class Bench:
    """Every cell that was asked for, in order of threads, engine, artifact.

    Args:
        cells: One for each artifact, engine and number of threads.
    """

    cells: tuple[Cell, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the cells as plain JSON values."""
        return {"cells": [cell.to_dict() for cell in self.cells]}

    def __str__(self) -> str:
        columns = ("network", "engine", "precision", "threads", "min ms", "median ms", "max ms", "speed-up [95 %]")
        rows = [
            (
                *(cell.name, cell.runtime, cell.precision, str(cell.threads)),
                *(f"{one:.3f}" for one in (cell.latency.min_ms, cell.latency.median_ms, cell.latency.max_ms)),
                str(cell.speedup) if cell.speedup else "",
            )
            for cell in self.cells
            if cell.latency is not None
        ]
        failed = [
            f"{cell.name} on {cell.runtime}, threads {cell.threads}: {cell.reason}"
            for cell in self.cells
            if cell.latency is None
        ]
        return "\n".join([render(columns, rows, left=3), *failed])


def bench(
    artifacts: Artifact | Sequence[Artifact],
    *,
    threads: Sequence[int] = (1,),
    runtimes: Sequence[str] | None = None,
    seconds: float = 5.0,
    seed: int = 0,
) -> Bench:
    """Time artifacts on the engines they have files for, one image at a time.

    The artifacts are timed in turn on each engine; a cell that cannot be timed says why.

    Args:
        artifacts: One, or several to compare with the first.
        threads: Numbers of threads to try.
        runtimes: Engines; None takes every engine that any artifact has files for.
        seconds: Time for each engine and number of threads.
        seed: Seed of the input and of the order.

    Raises:
        SettingError: No artifact, or no number of threads.
        UnknownNameError: An engine that does not exist.
    """
    chosen = [artifacts] if isinstance(artifacts, Artifact) else list(artifacts)
    if not chosen or not threads:
        raise SettingError("there is nothing to time", where="bench", fix="give an artifact and a number of threads")
    for name in runtimes or ():
        choose(RUNTIMES, name, "runtime")
    engines = runtimes or tuple(dict.fromkeys(name for one in chosen for name in one.runtimes))
    cells = [cell for count in threads for engine in engines for cell in _row(chosen, engine, count, seconds, seed)]
    return Bench(tuple(cells))


def _row(artifacts: list[Artifact], engine: str, threads: int, seconds: float, seed: int) -> list[Cell]:
    """Time all artifacts on one engine."""
    cells = [Cell(name=one.card.name, runtime=engine, threads=threads) for one in artifacts]
    try:
        with pinned(threads):
            return _pinned_row(artifacts, cells, seconds, seed)
    except SettingError as error:  # more threads than CPUs
        return [replace(cell, reason=str(error)) for cell in cells]


def _pinned_row(artifacts: list[Artifact], cells: list[Cell], seconds: float, seed: int) -> list[Cell]:
    calls: dict[str, Callable[[], object]] = {}
    for place, (artifact, cell) in enumerate(zip(artifacts, cells, strict=True)):
        try:
            session = artifact.session(cell.runtime, threads=cell.threads)
        except LissomeError as error:
            cells[place] = replace(cell, reason=str(error))
            continue
        cells[place] = replace(cell, precision=session.describe().precision)
        calls[str(place)] = partial(session.run, *_noise(artifact, seed))
    if not calls:
        return cells
    baseline = "0" if "0" in calls and len(calls) > 1 else None
    timing = measure(calls, baseline=baseline, seconds=seconds, seed=seed)
    for name in calls:
        speedup = timing.speedup(name) if baseline not in (None, name) else None
        latency = timing.latency(name)
        cells[int(name)] = replace(cells[int(name)], latency=latency, speedup=speedup, stalled=timing.stalled)
    return cells


def _noise(artifact: Artifact, seed: int) -> list[Array]:
    """Return one input of random pixels: time does not depend on what they show."""
    generator = np.random.default_rng(seed)
    return [generator.standard_normal((1, *shape), dtype=np.float32) for shape in artifact.card.input_shapes]
