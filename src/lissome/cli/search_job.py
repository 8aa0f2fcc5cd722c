"""The part of `lissome compress` that searches under limits."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from lissome.core.curves import Curves
from lissome.core.errors import RunError, SettingError
from lissome.core.files import replacing
from lissome.core.names import choose
from lissome.core.progress import Progress
from lissome.data.task import Task
from lissome.profiling.latency_table import LatencyTable
from lissome.reports.report import report
from lissome.timing.device import TimingDevice
from lissome.tuning.presets import PRESETS, Preset
from lissome.tuning.search import search
from lissome.tuning.search_result import SearchResult
from lissome.tuning.search_run import SearchRun
from lissome.tuning.trials.search_budget import SearchBudget

_UNITS = {"s": 1 / 60, "m": 1.0, "min": 1.0, "h": 60.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchJob:
    """What the command line asks of a search.

    Args:
        name: The network's name.
        out: The `.lissome` file.
        run: The search's folder.
        preset: Engines, limits and space.
        budget: When to stop.
        seed: Whence all randomness comes.
        workers: Processes.
        storage: The study's database, or None.
        ray: The cluster of all workers but the first, or None.
        threads: Threads of the engines.
        without_labels: Whether accuracy is the agreement with the original.
        device: What times networks; None is this machine.
        page: The report, or None.
        resume: Go on with what an interrupted search left.
        reproduce: The commands that repeat it.
        curves: Who keeps the figures of each epoch, or None.
    """

    name: str
    out: Path
    run: Path
    preset: Preset
    budget: SearchBudget
    seed: int
    workers: int
    storage: str | None
    ray: str | None
    threads: int
    without_labels: bool
    device: TimingDevice | None
    page: Path | None
    resume: bool
    reproduce: tuple[str, ...]
    curves: Curves | None = None


def search_and_prove(model: nn.Module, task: Task, job: SearchJob, progress: Progress) -> SearchResult:
    """Search, and write the winner, its recipe and the report.

    Args:
        model: The trained network.
        task: Its data.
        job: What was asked.
        progress: Who watches.

    Raises:
        RunError: An earlier search was interrupted here and `resume` is not set.
        LissomeError: Whatever the search refuses.
    """
    if (job.run / "plan.json").exists() and not job.resume:
        raise RunError("an earlier search is here", where=str(job.run), fix="add --resume, or remove it")
    space = job.preset.space
    if job.without_labels:  # nothing to train by
        space = replace(space, moves=tuple(one for one in space.moves if one.is_exact))
    recipe = job.out.with_suffix(".toml")
    result = search(
        model,
        task,
        limit=job.preset.limit,
        on=job.preset.on,
        space=space,
        budget=job.budget,
        seed=job.seed,
        run=SearchRun(
            path=job.run,
            name=job.name,
            workers=job.workers,
            storage=job.storage,
            ray=job.ray,
            threads=job.threads,
            labels="original" if job.without_labels else "data",
            reproduce=job.reproduce,
            progress=progress,
            curves=job.curves,
        ),
        device=job.device,
    )
    for source, target in (("best.lissome", job.out), ("best.toml", recipe)):
        with replacing(target) as temporary:
            shutil.copyfile(job.run / source, temporary)
    if job.page:
        report(job.page, result)
    return result


def budget_of(text: str, **settings: Any) -> SearchBudget:
    """Read a budget: a time such as 30m, 1.5h or 90s, or trials such as 40t.

    Raises:
        SettingError: It is neither.

    Example:
        >>> budget_of("30m").minutes, budget_of("40t").trials, budget_of("1.5h").minutes
        (30.0, 40, 90.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(s|m|min|h|t|trials?)", text.strip())
    if found is None:
        raise SettingError(f"{text!r} is no budget", where="--budget", fix="write 30m, 1.5h, or 40t for 40 trials")
    number, unit = found.groups()
    if unit in _UNITS:
        return SearchBudget(minutes=float(number) * _UNITS[unit], **settings)
    return SearchBudget(trials=int(float(number)), **settings)


def preset_of(
    name: str | None,
    on: Sequence[str] | None,
    *,
    max_drop: float | None,
    max_ms: float | None,
    max_kib: float | None,
    layer_times: Path | None = None,
) -> Preset:
    """Return a preset with what the user said instead of its own.

    Args:
        name: Of `PRESETS`; None is plain.
        on: Engines, or None.
        max_drop: The limit, or None.
        max_ms: The limit, or None.
        max_kib: The limit, or None.
        layer_times: A table that cuts are chosen by, or None.

    Raises:
        UnknownNameError: There is no such preset.
        SettingError: A limit is out of its range.
    """
    preset = choose(PRESETS, name, "preset") if name else Preset(on=("onnxruntime", "ncnn"))
    said = {"max_drop": max_drop, "max_ms": max_ms, "max_kib": max_kib}
    limit = replace(preset.limit, **{key: value for key, value in said.items() if value is not None})  # type: ignore[arg-type]
    if layer_times:
        space = replace(preset.space, objective=LatencyTable(path=str(layer_times)))
        preset = replace(preset, space=space)
    return replace(preset, on=tuple(on) if on else preset.on, limit=limit)
