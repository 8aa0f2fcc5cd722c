"""Networks × engines × precisions × threads, as benchncnn shows them: each network's ways timed in turn."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from lissome.core.context import Context
from lissome.core.errors import LissomeError, SettingError
from lissome.core.names import choose
from lissome.core.progress import Progress, Silent
from lissome.exporting.proving import convert_and_prove
from lissome.exporting.samples import Samples, take_samples
from lissome.runtimes.accuracy import Runs
from lissome.runtimes.protocol import Array
from lissome.runtimes.table import RUNTIMES, get_runtime
from lissome.timing.bench import Bench, Cell
from lissome.timing.pinned import pinned
from lissome.timing.sessions import measure_sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long and how often.

    Args:
        rounds: Fewest rounds before a tight interval ends it, ≥ 3.
        warmup: Calls of each way before anything counts, ≥ 1.
        seconds: Time for each network and number of threads, > 0.
        cooldown_seconds: Rest between networks, ≥ 0, for machines that get hot and slow.
    """

    rounds: int = 20
    warmup: int = 3
    seconds: float = 5.0
    cooldown_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.rounds < 3 or self.warmup < 1 or not self.seconds > 0 or not 0 <= self.cooldown_seconds < 3600:
            raise SettingError(
                f"rounds is {self.rounds}, warmup {self.warmup}, seconds {self.seconds}, "
                f"cooldown_seconds {self.cooldown_seconds}",
                where="Pace",
                fix="choose rounds ≥ 3, warmup ≥ 1, seconds > 0, cooldown_seconds in [0, 3600)",
            )


def bench_models(
    models: Mapping[str, tuple[Callable[[], nn.Module], tuple[int, ...]]],
    *,
    engines: Sequence[str] | None = None,
    precisions: Sequence[str] | None = ("float32",),
    threads: Sequence[int] = (1,),
    pace: Pace | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Bench:
    """Export networks to engines, prove each, and time one image, all ways to run a network in turn.

    Args:
        models: What builds a network, and its input shape (1, C, H, W), by name.
        engines: Engines; None takes all that are installed.
        precisions: What they are to compute in; None takes everything an engine can be asked for.
        threads: Numbers of threads.
        pace: Rounds, warm-up, time, rest.
        seed: Seed of input and order.
        progress: Who watches.

    Returns:
        One cell for each network, engine, precision and number of threads; one that failed says why.

    Raises:
        SettingError: There are no networks or threads.
        UnknownNameError: An engine or precision that does not exist.
    """
    if not models or not threads:
        raise SettingError("there is nothing to time", where="bench_models", fix="give networks and numbers of threads")
    for name in engines or ():
        choose(RUNTIMES, name, "runtime")
    known = {one: one for name in RUNTIMES for one in get_runtime(name).precisions}
    for one in precisions or ():
        choose(known, one, "precision")
    chosen = tuple(engines or (name for name in RUNTIMES if get_runtime(name).available()))
    pace, cells = pace or Pace(), list[Cell]()
    for place, (name, (make, shape)) in enumerate(models.items()):
        if place:
            time.sleep(pace.cooldown_seconds)
        with tempfile.TemporaryDirectory(prefix="lissome-bench-") as folder:
            context = Context(example=torch.zeros(shape), seed=seed)
            rows = _Network(name, make(), take_samples(context), Path(folder), progress or Silent())
            rows.export(chosen)
            for count in threads:
                cells += rows.time(chosen, precisions, count, pace, seed)
    return Bench(tuple(cells))


class _Network:
    """One network: its files for each engine, or why there are none."""

    def __init__(self, name: str, model: nn.Module, samples: Samples, folder: Path, progress: Progress) -> None:
        self._name, self._model, self._samples = name, model.eval(), samples
        self._folder, self._progress = folder, progress
        self._failed: dict[str, str] = {}

    def export(self, engines: Sequence[str]) -> None:
        for engine in engines:
            self._progress.say(f"exporting {self._name} to {engine}")
            try:
                get_runtime(engine).require()
                shelf, place = self._folder / "shelf", self._folder / engine
                convert_and_prove(engine, self._model, self._samples, place, shelf=shelf)
            except LissomeError as error:
                self._failed[engine] = str(error)

    def time(
        self, engines: Sequence[str], precisions: Sequence[str] | None, threads: int, pace: Pace, seed: int
    ) -> list[Cell]:
        self._progress.say(f"timing {self._name}, threads {threads}")
        cells = [
            Cell(name=self._name, runtime=engine, threads=threads, precision=one)
            for engine in engines
            for one in (precisions or get_runtime(engine).precisions)
        ]
        try:
            with pinned(threads):
                return self._time_pinned(cells, pace, seed)
        except SettingError as error:  # more threads than CPUs
            return [replace(cell, reason=str(error)) for cell in cells]

    def _time_pinned(self, cells: list[Cell], pace: Pace, seed: int) -> list[Cell]:
        sessions: dict[str, Runs] = {}
        for place, cell in enumerate(cells):
            try:
                if cell.runtime in self._failed:
                    cells[place] = replace(cell, reason=self._failed[cell.runtime])
                    continue
                sessions[str(place)] = get_runtime(cell.runtime).load(
                    self._folder / cell.runtime, threads=cell.threads, precision=cell.precision
                )
            except LissomeError as error:
                cells[place] = replace(cell, reason=str(error))
        if not sessions:
            return cells
        inputs: list[Array] = [one[:1].numpy() for one in self._samples.inputs]
        timing = measure_sessions(
            sessions, *inputs, rounds=pace.rounds, warmup=pace.warmup, seconds=pace.seconds, seed=seed
        )
        for name in sessions:
            cells[int(name)] = replace(cells[int(name)], latency=timing.latency(name), stalled=timing.stalled)
        return cells
