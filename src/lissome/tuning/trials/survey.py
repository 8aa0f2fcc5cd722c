"""Which ways there are to run a network here, how quick each is, and what the original scores on the plainest."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from lissome.core.context import Context
from lissome.core.errors import EngineError
from lissome.exporting.samples import Samples
from lissome.runtimes.accuracy import engine_accuracy
from lissome.runtimes.table import get_runtime
from lissome.timing.device import TimingDevice, Turns
from lissome.timing.pinned import pinned
from lissome.tuning.budget import Budget
from lissome.tuning.candidate import Candidate
from lissome.tuning.files import QUANTIZED, engine_files, make_files, open_candidate
from lissome.tuning.qualify import Judge, qualified

_NEAR = 1.5
"""A way this many times slower than the quickest of its kind is not tried on other networks."""
_ANY = Budget(max_drop=0.999, images=64)
"""Here only what does not run at all is refused; what a way costs in accuracy is seen in the trials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found.

    Args:
        float_ways: Ways in floats, the quickest first.
        integer_ways: Ways in integers, the quickest first; of these the graph is that of a quantized network.
        baseline: How the original is run that everything is compared with: the first engine's default in float32.
        baseline_ms: Median time of one image.
        accuracy: Its mean metric on the validation images that trials are scored on.
        full_accuracy: The same on all validation images.
        milliseconds: Median time of the original in each way, by label.
        declined: Ways that are none here, with the reason.
        machine: What it was found on.
        fingerprints: For each engine, the hash of machine, engine and version.
    """

    float_ways: tuple[Candidate, ...]
    integer_ways: tuple[Candidate, ...]
    baseline: Candidate
    baseline_ms: float
    accuracy: float
    full_accuracy: float
    milliseconds: Mapping[str, float]
    declined: tuple[str, ...]
    machine: Mapping[str, Any]
    fingerprints: Mapping[str, str]

    def way(self, label: str) -> Candidate:
        """Return a way by its label."""
        return next(one for one in (*self.float_ways, *self.integer_ways) if one.label == label)

    def quickest(self) -> Candidate:
        """Return the way that took the least time: its layers are what cuts are worth."""
        ways = {one.label: one for one in self.float_ways}
        ways |= {replace(one, variant=QUANTIZED).label: one for one in self.integer_ways}
        return min(ways.items(), key=lambda pair: self.milliseconds[pair[0]])[1]

    def to_dict(self) -> dict[str, Any]:
        """Return the survey as plain JSON values."""
        names = ("baseline_ms", "accuracy", "full_accuracy", "milliseconds", "declined", "machine", "fingerprints")
        ways = {
            "float_ways": [_way_to_dict(one) for one in self.float_ways],
            "integer_ways": [_way_to_dict(one) for one in self.integer_ways],
            "baseline": _way_to_dict(self.baseline),
        }
        return ways | {name: getattr(self, name) for name in names}

    @classmethod
    def read(cls, path: Path) -> "Survey":
        """Return what was written as JSON."""
        table = json.loads(path.read_text(encoding="utf-8"))
        for name in ("float_ways", "integer_ways"):
            table[name] = tuple(Candidate(**one) for one in table[name])
        return cls(**{**table, "baseline": Candidate(**table["baseline"]), "declined": tuple(table["declined"])})


def _way_to_dict(one: Candidate) -> dict[str, Any]:
    return {
        "engine": one.engine,
        "precision": one.precision,
        "variant": one.variant,
        "options": dict(one.options),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be surveyed.

    Args:
        engines: Engines, the first of which is the baseline's.
        threads: Threads of each.
        ways: At most so many of each kind.
        images: Validation images that trials are scored on.
        seconds: Time for the measurement.
        integers: Whether integers are tried.
        device: What times them.
    """

    engines: Sequence[str]
    threads: int
    ways: int
    images: int
    seconds: float
    integers: bool
    device: TimingDevice


def survey(model: nn.Module, samples: Samples, context: Context, question: Question, folder: Path) -> Survey:
    """Try every engine × precision × graph × option on the original and on a plainly quantized copy.

    Args:
        model: The original, in evaluation mode.
        samples: What files are proved on.
        context: Task and seed.
        question: What is tried.
        folder: Where files go meanwhile.

    Raises:
        EngineError: No engine runs it in float32.
    """
    task = context.require_task()
    precisions = None if question.integers else _floats(question.engines)
    made, declined = make_files(model, samples, context, question.engines, precisions, folder)
    judge = Judge(model, samples, context, _ANY)
    able: dict[str, Candidate] = {}
    homes: dict[str, Path] = {}
    for (engine, variant), files in made.items():
        context.progress.say(f"looking at {engine}, {variant}")
        for one in qualified(engine, variant, files, judge, precisions, question.threads):
            if one.reason:
                declined.append(one)
            else:
                able[one.label], homes[one.label] = one, files.folder
    baseline = next(
        (
            one
            for engine in question.engines
            for one in able.values()
            if one.engine == engine and one.precision == "float32" and one.variant == "as exported"
        ),
        None,
    )
    if baseline is None:
        reasons = "; ".join(f"{one.label}: {one.reason}" for one in declined) or "nothing was offered"
        raise EngineError(f"no engine runs the original in float32 ({reasons})", fix="choose another engine")
    facts = question.device.facts(question.engines)
    turns = Turns(baseline=baseline.label, threads=question.threads, seconds=question.seconds, seed=context.seed)
    timed = question.device.time(
        {label: engine_files(one, homes[label], samples) for label, one in able.items()}, turns
    )
    declined += [replace(able.pop(label), reason=reason) for label, reason in timed.declined.items()]
    milliseconds = {label: timed.timing.latency(label).median_ms for label in able}
    with pinned(question.threads):
        plain = open_candidate(baseline, homes[baseline.label], question.threads)
    return Survey(
        float_ways=_quickest([one for one in able.values() if one.precision != "int8"], milliseconds, question.ways),
        integer_ways=tuple(
            replace(one, variant="as exported")
            for one in _quickest([one for one in able.values() if one.precision == "int8"], milliseconds, question.ways)
        ),
        baseline=baseline,
        baseline_ms=milliseconds[baseline.label],
        accuracy=engine_accuracy(plain, task.validation, task.metric, limit=question.images),
        full_accuracy=engine_accuracy(plain, task.validation, task.metric),
        milliseconds=milliseconds,
        declined=tuple(f"{one.label}: {one.reason}" for one in declined),
        machine=facts.machine,
        fingerprints=facts.fingerprints,
    )


def _floats(engines: Sequence[str]) -> tuple[str, ...]:
    every = (precision for one in engines for precision in get_runtime(one).precisions)
    return tuple(dict.fromkeys(one for one in every if one != "int8"))


def _quickest(candidates: Sequence[Candidate], milliseconds: Mapping[str, float], most: int) -> tuple[Candidate, ...]:
    order = sorted(candidates, key=lambda one: milliseconds[one.label])
    return tuple(one for one in order[:most] if milliseconds[one.label] <= _NEAR * milliseconds[order[0].label])
