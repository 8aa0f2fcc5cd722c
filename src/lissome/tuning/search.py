"""One verb: search for the best network that was measured to keep the limits."""

import copy
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from lissome.core.context import Context, TaskLike
from lissome.core.errors import EngineError, RunError, SettingError
from lissome.core.files import write_text
from lissome.core.machine import fingerprint as machine
from lissome.core.processes import processes
from lissome.core.progress import Silent
from lissome.core.run_directory import RunDirectory
from lissome.core.settings import fingerprint, key_of, settings_of
from lissome.core.step import require_finite
from lissome.exporting.export import check_runtimes
from lissome.exporting.samples import Samples, take_samples
from lissome.runtimes.artifact import read_artifact
from lissome.timing.comparison import compare_on_engines
from lissome.timing.device import ThisMachine, TimingDevice
from lissome.timing.layer_bench import LayerBench
from lissome.tuning.search_result import SearchResult
from lissome.tuning.search_run import SearchRun
from lissome.tuning.trials.effort import Effort
from lissome.tuning.trials.examiner import Examiner, hash_of_files
from lissome.tuning.trials.facts import Facts, find_facts
from lissome.tuning.trials.finalists import BoldestFirst, front, verdict, winner_of
from lissome.tuning.trials.known_images import KNOWN_IMAGES, knows_validation_images
from lissome.tuning.trials.limit import Limit
from lissome.tuning.trials.numbers import NUMBERS
from lissome.tuning.trials.ray_cluster import beside_on_ray, require_ray
from lissome.tuning.trials.run_files import RunFiles
from lissome.tuning.trials.search_budget import SearchBudget
from lissome.tuning.trials.space import Options, SearchSpace
from lissome.tuning.trials.stopwatch import Stopwatch
from lissome.tuning.trials.study import Asked, Study
from lissome.tuning.trials.survey import Question, Survey, survey
from lissome.tuning.trials.tasks import with_answers_as_labels, with_fewer_validation_images
from lissome.tuning.trials.trial import Trial
from lissome.tuning.trials.views import views_of
from lissome.tuning.trials.worker import Worker, beside

_TRAINING = 4
"""Times that an image passes a network when it is trained beside a teacher: forward, backward (twice), the teacher."""
_FIRST_SHARE = 2 / 3
"""Share of the minutes left that a finalist may take while others wait: the boldest needs the most."""
_TABLE_SECONDS = 1.0
"""For each kind of layer: a rough staircase is enough to cut by, and every network is timed as a whole."""


def search(  # noqa: PLR0913 – what a search is told
    model: nn.Module,
    task: TaskLike,
    *,
    limit: Limit | None = None,
    on: Sequence[str] = ("onnxruntime",),
    space: SearchSpace | None = None,
    budget: SearchBudget | None = None,
    seed: int = 0,
    run: SearchRun | None = None,
    device: TimingDevice | None = None,
) -> SearchResult:
    """Search for the best network that was measured, on the engine, to keep the limits.

    Many networks get a short recovery and are timed and scored on validation images; of the front, the boldest that can
    be hoped to keep the drop get the full recovery; the winner alone is measured on the test images, once.

    Args:
        model: The trained network; left as it was.
        task: Data, loss and metric.
        limit: What must be kept, and what is to be best.
        on: Engines; the first one's default is what everything is compared with.
        space: What may be chosen.
        budget: Minutes or trials; None is half an hour.
        seed: Whence all randomness comes.
        run: Where and how it works.
        device: What every time is measured on: None is this machine, `Remote` another. Networks are scored and trained
            here.

    Raises:
        SettingError: A setting is out of its range.
        RunError: Another search lives in the folder, or another process is at work there.
        EngineError: An engine is not installed, the device is not reached, or nothing that was tried runs.
    """
    if processes().count > 1:
        raise SettingError("torchrun shares one training", where="search", fix="start it once, with workers")
    job = Job(
        model=copy.deepcopy(model).eval(),
        task=task,
        limit=limit or Limit(),
        on=tuple(dict.fromkeys(on)),
        space=space or SearchSpace(),
        budget=budget or SearchBudget(minutes=30),
        seed=seed,
        run=run or SearchRun(),
        path=(run.path if run and run.path else Path(tempfile.mkdtemp(prefix="lissome-search-"))).resolve(),
        device=device or ThisMachine(),
    )
    check_runtimes(job.on)
    if job.run.ray is not None:
        require_ray()
    require_finite(job.model)
    with RunDirectory(job.path):
        return _searched(job)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Everything a search was told; workers get it, too."""

    model: nn.Module
    task: TaskLike
    limit: Limit
    on: tuple[str, ...]
    space: SearchSpace
    budget: SearchBudget
    seed: int
    run: SearchRun
    path: Path
    device: TimingDevice

    def plan(self) -> dict[str, Any]:
        """Return what makes it this search and no other; the budget may grow."""
        return {
            "name": self.run.name,
            "model": fingerprint(self.model),
            "images": [len(one) for one in (self.task.train, self.task.validation, self.task.test)],
            "limit": settings_of(self.limit),
            "on": list(self.on),
            "space": settings_of(self.space),
            "budget": settings_of(self.budget),
            "seed": self.seed,
            "threads": self.run.threads,
            "device": settings_of(self.device),
            "labels": self.run.labels,
            "reproduce": list(self.run.reproduce),
        }


def _searched(job: Job) -> SearchResult:
    files = RunFiles(job.path)
    files.begin(job.plan())
    kept = files.read("result.json")
    if kept is not None:
        job.run.progress.say("this search has ended; its result is read")
        return SearchResult.from_dict(kept, read_artifact(job.path / "best.lissome"))
    worker = _worker_of(job, files)
    with _others_beside(job):
        worker.work()
    trials = worker.study.trials()
    if not any(not one.failed for one in trials):
        reasons = "; ".join(dict.fromkeys(one.reason for one in trials)) or "the budget was too small for one trial"
        raise EngineError(f"nothing that was tried runs: {reasons}", fix="see the reasons, or widen the space")
    finalists = _full_recoveries(job, worker, trials)
    return _finished(job, worker, trials, finalists)


def _others_beside(job: Job) -> AbstractContextManager[None]:
    """Return what runs the other workers, here or on a cluster, while this one works."""
    others = [(replace(job, run=replace(job.run, progress=Silent())),)] * (job.run.workers - 1)
    if not others:
        return nullcontext()
    if job.run.ray is None:
        return beside(_work_beside, others)
    here = machine("", "")
    return beside_on_ray(_work_elsewhere, [(*one, here) for one in others], job.run.ray)


def _work_elsewhere(job: Job, first: str) -> None:
    """Work on a machine of a cluster, which must see the search's folder and time as the first one does."""
    if not (job.path / "plan.json").is_file():
        raise RunError("is not seen by all machines of the cluster", where=str(job.path), fix="choose a shared folder")
    if isinstance(job.device, ThisMachine) and machine("", "") != first:
        raise RunError(
            "a machine of the cluster is another one, whose times would mix with those here",
            where="ray",
            fix="use machines that are alike, or measure on a device",
        )
    _work_beside(job)


def _work_beside(job: Job) -> None:
    _worker_of(job, RunFiles(job.path)).work()


def _worker_of(job: Job, files: RunFiles) -> Worker:
    """Return a worker on what was prepared; the first one prepares it."""
    task = with_answers_as_labels(job.task, job.model) if job.run.labels == "original" else job.task
    context = Context(
        with_fewer_validation_images(task, job.budget.images),
        seed=job.seed,
        original=job.model,
        progress=job.run.progress,
        memory=RunDirectory(job.path),
        curves=job.run.curves,
    )
    samples = take_samples(context)
    found = _survey_of(job, samples, replace(context, task=task))
    options = Options(
        space=job.space,
        facts=_facts_of(job, samples, found, context),
        float_ways=tuple(one.label for one in found.float_ways),
        integer_ways=tuple(one.label for one in found.integer_ways),
    )
    if not options.numbers():
        raise EngineError("no engine runs the numbers of this space", fix="name other numbers, or another engine")
    examiner = Examiner(
        model=job.model,
        samples=samples,
        context=context,
        task=task,
        limit=job.limit,
        survey=found,
        stopwatch=Stopwatch((job.run.times or job.path) / "times"),
        threads=job.run.threads,
        images=job.budget.images,
        seconds=job.budget.seconds,
        began=files.began,
        device=job.device,
    )
    study = Study(job.path, job.run.name, job.run.storage, options, job.seed)
    return Worker(
        study=study, options=options, examiner=examiner, files=files, budget=job.budget, progress=job.run.progress
    )


def _survey_of(job: Job, samples: Samples, context: Context) -> Survey:
    folder = job.run.times or job.path
    asked = key_of(
        *(fingerprint(job.model), job.on, job.run.threads, job.budget.images, job.run.labels, job.space.ways),
        settings_of(job.device),
    )
    path = folder / f"survey-{asked}.json"
    if not path.exists():
        question = Question(
            engines=job.on,
            threads=job.run.threads,
            ways=job.space.ways,
            images=job.budget.images,
            seconds=2 * job.budget.seconds,
            integers=any(NUMBERS[one].integers for one in job.space.numbers),
            device=job.device,
        )
        with tempfile.TemporaryDirectory(prefix="lissome-search-") as temporary:
            found = survey(job.model, samples, context, question, Path(temporary))
        RunFiles(folder).write(path.name, found.to_dict())
    return Survey.read(path)


def _facts_of(job: Job, samples: Samples, found: Survey, context: Context) -> Facts:
    quickest = found.quickest()
    bench = LayerBench(
        runtime=quickest.engine,
        precision="int8" if quickest.precision == "int8" else "float32",
        seconds=_TABLE_SECONDS,
        seed=job.seed,
        device=job.device,
    )
    return find_facts(job.model, samples, context, job.space.inquiry, bench, job.run.times or job.path)


def _full_recoveries(job: Job, worker: Worker, trials: Sequence[Trial]) -> list[Trial]:
    """Give the full recovery to those along the front that can be hoped to keep the limits."""
    kept = worker.files.finalists()
    order, done = BoldestFirst(front(trials, job.limit), job.limit), list[Trial]()
    while len(done) < job.budget.finalists and (one := order.next()) is not None:
        trial = kept.get(one.number)
        if trial is None:
            waiting = any(worker.options.cuts(other.parameters) for other in order.left() if other != one)
            effort = _effort(job, worker, one, is_last=not waiting or len(done) + 1 == job.budget.finalists)
            job.run.progress.say(f"full recovery of trial {one.number}: {effort.epochs} epochs")
            trial = worker.examiner.examine(worker.wanted(Asked(one.number, one.parameters), effort))
            worker.files.keep_finalist(trial)
            worker.files.keep_clock()
        job.run.progress.say(str(trial))
        done.append(trial)
        order.tell(one, trial)
    return done


def _effort(job: Job, worker: Worker, short: Trial, *, is_last: bool) -> Effort:
    """Return the full recovery, or as much of it as the minutes allow; kept, so that a resumed search does the same.

    Args:
        job: The search.
        worker: Who examines.
        short: The trial after its short recovery, whose training tells how long an epoch takes.
        is_last: Whether no other finalist that is trained needs of the minutes left.
    """
    name = f"finalists/effort-{short.number:05}"
    kept = worker.files.read(f"{name}.kept")
    if kept is None:
        kept = {"epochs": job.budget.full_epochs, "images": None}
        if job.budget.minutes is not None and short.training_seconds > 0:
            seen = min(job.budget.short_images, len(job.task.train))
            scored = min(job.budget.images, len(job.task.validation))
            work = (_TRAINING * one + scored for one in (len(job.task.train), seen))
            an_epoch = short.training_seconds * next(work) / next(work)
            left = max(0.0, 60 * job.budget.minutes - worker.files.seconds) * (1.0 if is_last else _FIRST_SHARE)
            seconds = max(0.0, left - (short.seconds - short.training_seconds))
            epochs = int(seconds / an_epoch)
            kept["epochs"] = max(1, min(job.budget.full_epochs, epochs))
            kept["images"] = None if epochs else max(seen, int(seconds / an_epoch * len(job.task.train)))
        worker.files.write(f"{name}.kept", kept)
    return Effort(**kept, learning_rate=job.space.learning_rate)


def _finished(job: Job, worker: Worker, trials: list[Trial], finalists: list[Trial]) -> SearchResult:
    """Write the winner, measure it on the test images, and keep the result."""
    every = [*trials, *finalists]
    winner = winner_of(every, job.limit)
    if winner is None:
        raise EngineError("nothing that was tried runs", fix="widen the space")
    write_text(job.path / "best.toml", winner.recipe_toml)
    effort = None
    if winner.stage == "full":
        kept = worker.files.read(f"finalists/effort-{winner.number:05}.kept")
        effort = Effort(**kept, learning_rate=job.space.learning_rate)
    wanted = worker.wanted(Asked(winner.number, winner.parameters), effort)
    if winner.reason and wanted.untrained is not None:
        wanted = replace(wanted, recipe=wanted.untrained)
    outcome, artifact = worker.examiner.write(job.path / "best.lissome", wanted)
    engine = wanted.way.engine
    comparison, artifact = compare_on_engines(
        job.model,
        replace(outcome, context=replace(worker.examiner.context, task=worker.examiner.task)),
        artifact,
        runtimes=[engine],
        name=job.run.name,
        seconds=2 * job.budget.seconds,
        reproduce=job.run.reproduce,
        device=job.device,
    )
    worker.files.keep_clock()
    result = SearchResult(
        name=job.run.name,
        path=job.path,
        limit=job.limit,
        seed=job.seed,
        trials=tuple(trials),
        finalists=tuple(finalists),
        winner=winner,
        verdict=_verdict(job, every, winner),
        survey=worker.examiner.survey.to_dict(),
        comparison=comparison.to_dict(),
        is_reproduced=hash_of_files(artifact, engine) == winner.artifact_sha256,
        seconds=worker.files.seconds,
        artifact=artifact,
        labels=job.run.labels,
        views=views_of(job.model, outcome.model, comparison.compressed, engine, worker.options.facts, job.device),
    )
    worker.files.write("result.json", result.to_dict())
    return result


def _verdict(job: Job, trials: Sequence[Trial], winner: Trial) -> str:
    said = verdict(trials, winner, job.limit)
    misleads = job.run.labels == "data" and knows_validation_images(job.model, job.task)
    return f"{said}; {KNOWN_IMAGES}" if misleads else said
