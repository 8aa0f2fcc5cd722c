"""Apply a recipe, prove and time the network on its engine, and score it on validation images: one trial."""

import hashlib
import os
import socket
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from lissome.core.context import Context, TaskLike
from lissome.core.errors import EngineError, LissomeError
from lissome.core.outcome import Outcome
from lissome.core.recipe import Recipe
from lissome.core.recipe_toml import recipe_to_toml
from lissome.exporting.half_range import beyond_half_range
from lissome.exporting.samples import Samples
from lissome.layers.fake_quantize import without_quantization
from lissome.profiling.profile import profile
from lissome.runtimes.accuracy import engine_accuracy
from lissome.runtimes.artifact import Artifact
from lissome.timing.device import DeviceFacts, TimingDevice, Turns
from lissome.timing.measure import Timing
from lissome.tuning.candidate import Candidate
from lissome.tuning.files import Files, engine_files, make_files, open_candidate
from lissome.tuning.trials.limit import Limit
from lissome.tuning.trials.stopwatch import BASELINE, CANDIDATE, KeptTime, Stopwatch, time_key
from lissome.tuning.trials.survey import Survey
from lissome.tuning.trials.trial import Stage, Trial
from lissome.tuning.tuned_archive import Subject, tuning_of, write_tuned

_HOPELESS = 0.05
"""A network that misses the time or the size by more than this share is not trained: that would not change either."""


_UNSURE = 0.1
"""A speed-up whose interval is wider to each side is measured again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be examined.

    Args:
        number: The trial.
        stage: After which recovery.
        parameters: What was chosen.
        way: How it runs.
        recipe: The recipe.
        untrained: The same without the recovery, which tells time and size; None where there is none.
    """

    number: int
    stage: Stage
    parameters: Mapping[str, Any]
    way: Candidate
    recipe: Recipe
    untrained: Recipe | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Examiner:
    """Knows the original and its engines, and examines recipes.

    Args:
        model: The original, in evaluation mode.
        samples: What files are proved on.
        context: What steps get: a task with fewer validation images, seed, original, memory of finished steps.
        task: The whole task, which full recoveries are scored on.
        limit: What is to be kept.
        survey: How the original runs.
        stopwatch: Keeps times.
        threads: Threads of each engine.
        images: Validation images that short trials are scored on.
        seconds: Time for the pairs.
        began: When the search began, on the clock of `time.time`.
        device: What times networks; they are scored here.
    """

    model: nn.Module
    samples: Samples
    context: Context
    task: TaskLike
    limit: Limit
    survey: Survey
    stopwatch: Stopwatch
    threads: int
    images: int
    seconds: float
    began: float
    device: TimingDevice

    def examine(self, wanted: Wanted) -> Trial:
        """Return what came of a recipe; where a step or an engine refuses, the trial failed, with the reason."""
        started = time.time()
        trial = Trial(
            number=wanted.number,
            stage=wanted.stage,
            parameters=dict(wanted.parameters),
            way=wanted.way.label,
            recipe_toml=recipe_to_toml(wanted.recipe),
            seed=self.context.seed,
            started=round(started - self.began, 3),
            worker=f"{socket.gethostname()}:{os.getpid()}",
        )
        try:
            inner = self.context.within(f"trial_{wanted.number:05}_{wanted.stage}")
            trial = replace(self, context=inner)._examined(wanted, trial)
        except LissomeError as error:
            trial = replace(trial, failed=True, reason=str(error))
        return replace(trial, seconds=round(time.time() - started, 3))

    def write(self, path: Path, wanted: Wanted) -> tuple[Outcome, Artifact]:
        """Apply a recipe once more and write its artifact.

        Raises:
            LissomeError: Whatever a step or an engine refuses.
        """
        outcome = wanted.recipe.apply(self.model, self.context)
        with tempfile.TemporaryDirectory(prefix="lissome-search-") as folder:
            return outcome, self._write(path, outcome, wanted.way, self._files(outcome, wanted.way, Path(folder)))

    def _examined(self, wanted: Wanted, trial: Trial) -> Trial:
        if wanted.untrained is not None and (self.limit.max_ms or self.limit.max_kib):
            figures, known = self._figures(wanted.untrained, wanted.way, wanted.stage)
            missed = self._missed(figures)
            if max(missed.get("max_ms", 0.0), missed.get("max_kib", 0.0)) > _HOPELESS:
                reason = "not trained, since training changes neither its time nor its size"
                return replace(trial, figures=figures, missed=missed, reason=reason, **known)
        figures, known = self._figures(wanted.recipe, wanted.way, wanted.stage)
        return replace(trial, figures=figures, missed=self._missed(figures), **known)

    def _missed(self, figures: Mapping[str, float]) -> dict[str, float]:
        return self.limit.missed(**{name: figures[name] for name in ("latency_ms", "drop", "stored_kib")})

    def _figures(self, recipe: Recipe, way: Candidate, stage: Stage) -> tuple[dict[str, float], dict[str, Any]]:
        outcome = recipe.apply(self.model, self.context)
        cost = profile(without_quantization(outcome.model), self.samples.single)
        with tempfile.TemporaryDirectory(prefix="lissome-search-") as temporary:
            folder = Path(temporary)
            files = self._files(outcome, way, folder)
            artifact = self._write(folder / "trial.lissome", outcome, way, files)
            session = open_candidate(way, files.folder, self.threads)
            limit, before = (
                (self.images, self.survey.accuracy) if stage == "short" else (None, self.survey.full_accuracy)
            )
            accuracy = engine_accuracy(session, self.task.validation, self.task.metric, limit=limit)
            key = time_key(outcome.model, cost, way.label, self.survey.fingerprints[way.engine])
            kept = self.stopwatch.time(key, lambda: self._timing(way, files.folder, folder))
        figures = {
            "accuracy": accuracy,
            "drop": before - accuracy,
            **_times(kept, self.survey.baseline_ms),
            "size_kib": artifact.size_kib(way.engine),
            "stored_kib": artifact.stored_kib(way.engine),
            "params": float(cost.params),
            "macs": float(cost.macs),
        }
        known = {
            "artifact_sha256": hash_of_files(artifact, way.engine),
            "widths": widths_of(without_quantization(outcome.model)),
            "declined": tuple(str(one) for one in outcome.declined),
            "training_seconds": round(_training_seconds(outcome), 3),
        }
        return figures, known

    def _files(self, outcome: Outcome, way: Candidate, folder: Path) -> Files:
        """Write the engine's files of the graph that the way wants."""
        if way.precision == "float16" and (notes := beyond_half_range(outcome.model, self.samples.inputs)):
            raise EngineError(f"{notes[0].layer} {notes[0].reason}", where=way.label)
        model = outcome.model.eval()
        made, declined = make_files(
            model,
            self.samples,
            self.context,
            [way.engine],
            ["float32"],
            folder,
            with_optimized=way.variant == "optimized",
        )
        files = made.get((way.engine, way.variant)) or made.get((way.engine, "as exported"))
        if files is None:
            raise EngineError(declined[0].reason if declined else "gives no files", where=way.label)
        return files

    def _write(self, path: Path, outcome: Outcome, way: Candidate, files: Files) -> Artifact:
        subject = Subject(model=outcome.model.eval(), samples=self.samples, context=self.context, outcome=outcome)
        facts = DeviceFacts(machine=self.survey.machine, versions={}, fingerprints=self.survey.fingerprints)
        tuning = tuning_of(way, (), self.threads, facts)
        made = {(way.engine, way.variant): files}
        return write_tuned(path, subject, [way], made, tuning)

    def _timing(self, way: Candidate, home: Path, folder: Path) -> Timing:
        base = self.survey.baseline
        place = folder / "baseline"
        place.mkdir()
        made, declined = make_files(
            self.model, self.samples, self.context, [base.engine], ["float32"], place, with_optimized=False
        )
        if (base.engine, base.variant) not in made:
            raise EngineError(declined[0].reason, where=base.label)
        files = {
            BASELINE: engine_files(base, made[base.engine, base.variant].folder, self.samples),
            CANDIDATE: engine_files(way, home, self.samples),
        }
        turns = Turns(baseline=BASELINE, threads=self.threads, seconds=self.seconds, seed=self.context.seed)
        timing = self.device.time(files, turns).require()
        if timing.speedup(CANDIDATE).half_width > _UNSURE:  # the machine was disturbed: longer, once
            again = self.device.time(files, replace(turns, seconds=4 * self.seconds)).require()
            timing = min(timing, again, key=lambda one: one.speedup(CANDIDATE).half_width)
        return timing


def _times(kept: KeptTime, baseline_ms: float) -> dict[str, float]:
    """Return the time as the baseline's own through the ratio of the pairs, which holds beside other work, too."""
    return {
        "latency_ms": baseline_ms / kept.speedup.median,
        "speedup": kept.speedup.median,
        "speedup_low": kept.speedup.low,
        "speedup_high": kept.speedup.high,
    }


def hash_of_files(artifact: Artifact, engine: str) -> str:
    """Return a hash of what an engine reads: names and bytes of its files."""
    digest = hashlib.sha256()
    for name in sorted(artifact.card.engines[engine].files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(artifact.contents[name]).digest())
    return digest.hexdigest()


def widths_of(model: nn.Module) -> tuple[tuple[str, int], ...]:
    """Return the channels that each convolution and fully connected layer makes.

    Example:
        >>> widths_of(nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Linear(8, 2)))
        (('0', 8), ('2', 2))
    """
    found = []
    for name, layer in model.named_modules():
        weight = getattr(layer, "weight", None)
        if weight is not None and weight.dim() > 1:
            found.append((name, int(getattr(layer, "out_channels", weight.shape[0]))))
    return tuple(found)


def _training_seconds(outcome: Outcome) -> float:
    """Return how long the epochs of an outcome's steps took, also where they are kept from an earlier run."""
    epochs = outcome.measurements.get("history", ())
    return sum(float(one["seconds"]) for one in epochs) + sum(_training_seconds(one) for one in outcome.parts)
