"""May a way to run a network be taken? Float32 must agree in every number, less precision within a budget."""

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from lissome.core.context import Context
from lissome.core.errors import LissomeError
from lissome.exporting.half_range import beyond_half_range
from lissome.exporting.parity import FLOAT
from lissome.exporting.reference import Reference
from lissome.exporting.samples import Samples
from lissome.runtimes.accuracy import engine_accuracy
from lissome.runtimes.protocol import Session
from lissome.runtimes.table import get_runtime
from lissome.training.evaluate import evaluate
from lissome.tuning.budget import Budget
from lissome.tuning.candidate import Candidate
from lissome.tuning.files import Files, open_candidate


class Judge:
    """Knows the network, its samples and the budget, and judges sessions.

    Args:
        model: The network as it came, in evaluation mode.
        samples: What it is compared on.
        context: The task, where there is one.
        budget: What lower precision may cost.
    """

    def __init__(self, model: nn.Module, samples: Samples, context: Context, budget: Budget) -> None:
        self._model, self._samples, self._task, self._budget = model, samples, context.task, budget
        self._reference = Reference(model, samples)
        self._accuracy: float | None = None

    def against_half(self) -> str:
        """Return why the network must not run in float16, or ""."""
        notes = beyond_half_range(self._model, self._samples.inputs)
        return f"{notes[0].layer} {notes[0].reason}" if notes else ""

    def judge(self, session: Session) -> tuple[str, float | None]:
        """Return why a session must not be taken, or "", and its accuracy where that decided."""
        exact = session.describe().precision == "float32"
        if self._task is None or exact:
            outputs = session.run(*(one.numpy() for one in self._samples.inputs))
            limits = FLOAT if exact else self._budget.limits
            parity = self._reference.compare(outputs, engine=session.describe().engine, limits=limits)
            return parity.failure or "", None
        count = self._budget.images
        if self._accuracy is None:
            self._accuracy = evaluate(self._model, self._task.validation, self._task.metric, limit=count)
        accuracy = engine_accuracy(session, self._task.validation, self._task.metric, limit=count)
        lost = self._accuracy - accuracy
        if lost > self._budget.max_drop:
            return f"loses {lost:.2%} of the metric, more than {self._budget.max_drop:.2%}", accuracy
        return "", accuracy


def qualified(
    engine: str, variant: str, files: Files, judge: Judge, precisions: Sequence[str] | None, threads: int
) -> list[Candidate]:
    """Return every way to run an engine's files here, with the reason where one may not be taken.

    Args:
        engine: The engine.
        variant: Which graph the files are of.
        files: What was made for it.
        judge: Who decides.
        precisions: Those that are wanted; None is all.
        threads: Threads of the engine.
    """
    runtime = get_runtime(engine)
    found = []
    for precision in runtime.offers(files.folder):
        if precisions is not None and precision not in precisions:
            continue
        for options in runtime.worth_trying:
            chosen = {**files.entry.options, **options}
            one = Candidate(engine=engine, precision=precision, variant=variant, options=chosen)
            reason, accuracy = _verdict(one, files, judge, threads)
            found.append(replace(one, reason=reason, accuracy=accuracy))
    return found


def _verdict(one: Candidate, files: Files, judge: Judge, threads: int) -> tuple[str, float | None]:
    try:
        if one.precision == "float16" and judge.against_half():
            return judge.against_half(), None
        return judge.judge(open_candidate(one, files.folder, threads))
    except LissomeError as error:
        return str(error), None
