"""One verb: try engines, precisions, graphs and options, keep the quickest within the budget, prove it, save it."""

import copy
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from lissome.core.context import Context
from lissome.core.errors import SettingError
from lissome.core.names import choose
from lissome.core.outcome import Outcome
from lissome.core.step import require_finite
from lissome.core.text_table import render
from lissome.exporting.samples import take_samples
from lissome.runtimes.artifact import Artifact
from lissome.runtimes.protocol import Session
from lissome.runtimes.table import RUNTIMES, get_runtime
from lissome.timing.pinned import pinned
from lissome.tuning.budget import Budget
from lissome.tuning.candidate import Candidate
from lissome.tuning.files import make_files, open_candidate
from lissome.tuning.qualify import Judge, qualified
from lissome.tuning.race import race
from lissome.tuning.tuned_archive import Subject, tuning_of, write_tuned


@dataclass(frozen=True, slots=True)
class Build:
    """What `build` found.

    Args:
        artifact: The file that was written.
        candidates: Every way that was tried, the quickest first; those that were not taken last.
    """

    artifact: Artifact
    candidates: tuple[Candidate, ...]

    @property
    def chosen(self) -> Candidate:
        """The quickest."""
        return next(one for one in self.candidates if one.chosen)

    def to_dict(self) -> dict[str, Any]:
        """Return the candidates and the artifact's card as plain JSON values."""
        return {"candidates": [one.to_dict() for one in self.candidates], "artifact": self.artifact.to_dict()}

    def __str__(self) -> str:
        timed = [one for one in self.candidates if one.latency is not None]
        rows = [
            (
                *(one.engine, one.precision, one.variant, ", ".join(f"{k} {v}" for k, v in one.options.items())),
                *(f"{value:.3f}" for value in (one.latency.min_ms, one.latency.median_ms, one.latency.max_ms)),
                "" if one.accuracy is None else f"{one.accuracy:.2%}",
                "chosen" if one.chosen else "",
            )
            for one in timed
            if one.latency is not None
        ]
        columns = ("engine", "precision", "graph", "options", "min ms", "median ms", "max ms", "accuracy", "")
        tuning = self.artifact.card.tuning
        title = f"{self.artifact.card.name}: {len(rows)} ways, threads {tuning.threads if tuning else 1}"
        declined = [f"{one.label}: {one.reason}" for one in self.candidates if one.reason]
        return "\n".join([render(columns, rows, title=title, left=4), *declined])


def build(
    source: Outcome | nn.Module,
    path: str | os.PathLike[str],
    *,
    engines: Sequence[str] | None = None,
    precisions: Sequence[str] | None = None,
    threads: int = 1,
    context: Context | None = None,
    budget: Budget | None = None,
) -> Build:
    """Try every engine × precision × graph × option, keep the quickest within the budget, and write it with its proof.

    Float32 files must agree with the network as for `export`. Lower precision must keep the metric on validation images
    where the context has a task, else agree within the budget's limits. With a task, int8 is tried, too.

    Args:
        source: A step's outcome, or any module; left as it was.
        path: The `.lissome` file, written whole or not at all.
        engines: Engines to try; None takes all that are installed.
        precisions: "float32", "float16", "bfloat16", "int8"; None takes all.
        threads: Threads of the engines, ≥ 1.
        context: Samples, task and seed; an outcome brings its own.
        budget: What it may cost in accuracy, time and bytes.

    Raises:
        SettingError: A setting is out of its range, or there are more threads than processors.
        UnknownNameError: An engine or precision that does not exist.
        EngineMissingError: An engine that was named is not installed.
        EngineError: No way is within the budget; nothing is written.

    Example:
        >>> import torch
        >>> context = Context(example=torch.rand(4, 3, 8, 8))
        >>> path, budget = tempfile.mkdtemp() + "/a.lissome", Budget(seconds=0.05)
        >>> made = build(nn.Conv2d(3, 2, 1), path, engines=["ncnn"], context=context, budget=budget)
        >>> made.chosen.engine, made.artifact.session().run(torch.zeros(5, 3, 8, 8).numpy())[0].shape
        ('ncnn', (5, 2, 8, 8))
    """
    outcome = source if isinstance(source, Outcome) else None
    context = context or (outcome.context if outcome else None) or Context()
    budget = budget or Budget()
    model = copy.deepcopy(source.model if isinstance(source, Outcome) else source).eval()
    require_finite(model)
    names, wanted = _engines(engines), _precisions(precisions)
    samples = take_samples(context)
    judge = Judge(model, samples, context, budget)
    with pinned(threads):
        pass  # refuses too many threads before any work
    with tempfile.TemporaryDirectory(prefix="lissome-build-") as temporary:
        made, declined = make_files(model, samples, context, names, wanted, Path(temporary))
        able: dict[str, Candidate] = {}
        for (engine, variant), files in made.items():
            context.progress.say(f"trying {engine}, {variant}")
            for one in qualified(engine, variant, files, judge, wanted, threads):
                if one.reason:
                    declined.append(one)
                else:
                    able[one.label] = one
        inputs = tuple(one[:1].numpy() for one in samples.inputs)

        def open_session(label: str) -> Session:
            one = able[label]
            return open_candidate(one, made[one.engine, one.variant].folder, threads)

        context.progress.say(f"timing {len(able)} ways")
        with pinned(threads):
            timed = race(able, open_session, inputs, seconds=budget.seconds, seed=context.seed)
        ordered = sorted(timed.values(), key=lambda one: one.latency.median_ms if one.latency else 0.0)
        kept = _kept(ordered, budget)
        candidates = (*ordered, *declined)
        tuning = tuning_of(next(one for one in ordered if one.chosen), candidates, threads)
        subject = Subject(model=model, samples=samples, context=context, outcome=outcome)
        artifact = write_tuned(path, subject, kept, made, tuning)
    return Build(artifact, candidates)


def _engines(engines: Sequence[str] | None) -> tuple[str, ...]:
    if engines is None:
        return tuple(name for name in RUNTIMES if get_runtime(name).available())
    for name in engines:
        choose(RUNTIMES, name, "runtime")
        get_runtime(name).require()
    if not engines:
        raise SettingError("no engine is named", where="build", fix=f"choose of {', '.join(RUNTIMES)}")
    return tuple(dict.fromkeys(engines))


def _precisions(precisions: Sequence[str] | None) -> tuple[str, ...] | None:
    known = {one: one for name in RUNTIMES for one in get_runtime(name).precisions}
    for one in precisions or ():
        choose(known, one, "precision")
    return None if precisions is None else tuple(precisions)


def _kept(ordered: Sequence[Candidate], budget: Budget) -> list[Candidate]:
    """Return whose files go into the artifact: the quickest, or the quickest of each engine."""
    best: dict[str, Candidate] = {}
    for one in ordered:
        if one.chosen:
            best[one.engine] = one
    if budget.keep == "all":
        for one in ordered:
            best.setdefault(one.engine, one)
    return list(best.values())
