"""The main job: apply a recipe, prove the result on the engines, measure, and write what was found."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import typer
from torch import nn

from lissome.cli.arguments import context_of, find_model
from lissome.cli.options import shape_of, show
from lissome.cli.progress import TerminalProgress
from lissome.core.context import Context
from lissome.core.curves import Curves
from lissome.core.errors import RunError
from lissome.core.files import write_text
from lissome.core.processes import processes
from lissome.core.recipe import Recipe
from lissome.core.run_directory import RunDirectory
from lissome.reports.report import report
from lissome.runtimes.table import get_runtime
from lissome.timing.comparison import Comparison, compare_on_engines
from lissome.timing.device import TimingDevice


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What the main job is called, runs on, and writes.

    Args:
        name: The network's name.
        runtimes: Engines to prove it on.
        artifact: The `.lissome` file.
        run: The folder that keeps finished steps; removed at the end.
        device: What times the networks; None is this machine.
        result: The figures as JSON, or None.
        page: The report, or None.
        resume: Go on with what an interrupted run left in `run`.
        reproduce: The command that repeats it.
        curves: Who keeps the figures of each epoch, or None.
    """

    name: str
    runtimes: Sequence[str]
    artifact: Path
    run: Path
    device: TimingDevice | None = None
    result: Path | None = None
    page: Path | None = None
    resume: bool = False
    reproduce: str = ""
    curves: Curves | None = None


def compress_and_prove(model: nn.Module, recipe: Recipe, context: Context, job: Job) -> Comparison:
    """Do the main job. Of several processes all apply the recipe, and the first alone proves, measures and writes.

    Args:
        model: The trained network; left as it was.
        recipe: What to do to it.
        context: Task, seed and progress.
        job: What to write.

    Raises:
        RunError: An earlier run was interrupted here and `resume` is not set, or another process is at work.
        LissomeError: Whatever a step or an engine refuses; nothing is written then but the finished steps.
        typer.Exit: This is one of the others, whose work ends here.
    """
    is_first = processes().is_first
    for name in job.runtimes:
        get_runtime(name).require()
    if is_first and (job.run / "steps").exists() and not job.resume:
        raise RunError("an earlier run was interrupted here", where=str(job.run), fix="add --resume, or remove it")
    with RunDirectory(job.run) as run:
        outcome = recipe.apply(model, replace(context, original=model, memory=run, curves=job.curves))
        if not is_first:
            raise typer.Exit
        comparison, _ = compare_on_engines(
            model,
            outcome,
            job.artifact,
            runtimes=job.runtimes,
            name=job.name,
            reproduce=[job.reproduce],
            device=job.device,
        )
        if job.page:
            report(job.page, comparison)
        if job.result:
            write_text(job.result, json.dumps(comparison.to_dict(), indent=2) + "\n")
    shutil.rmtree(job.run)
    return comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What the user named: the network, its weights and classes, the data, if any, and the input shape."""

    model: str
    weights: Path | None
    classes: int | None
    data: str | None
    input: str | None


def compress_named(named: Named, recipe: Recipe, job: Job, *, seed: int, as_json: bool) -> None:
    """Find what the user named, do the main job, and show the result."""
    with TerminalProgress(quiet=as_json) as progress:
        context = context_of(named.model, named.data, shape_of(named.input) if named.input else None, seed, progress)
        model = find_model(named.model, named.weights, named.classes)
        comparison = compress_and_prove(model, recipe, context, job)
    show(f"{comparison}\nwrote {job.artifact}", comparison.to_dict(), as_json=as_json)
