"""Work through a study until the budget is used up: here, and in processes beside."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lissome.core.errors import SettingError
from lissome.core.progress import Progress
from lissome.tuning.trials.effort import Effort
from lissome.tuning.trials.examiner import Examiner, Wanted
from lissome.tuning.trials.finalists import front, may_recover
from lissome.tuning.trials.run_files import RunFiles
from lissome.tuning.trials.search_budget import SearchBudget
from lissome.tuning.trials.space import Options
from lissome.tuning.trials.study import Asked, Study
from lissome.tuning.trials.trial import Choice

_SHORT_SHARE = 0.4
"""Share of the minutes for trials; the rest is for full recoveries."""
_AT_LEAST = 2
"""Trials that are made however long the preparation took: as it is, and in integers where an engine has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One process's share in a search.

    Args:
        study: Proposes and remembers.
        options: What can be chosen.
        examiner: Looks at one.
        files: The run's folder.
        budget: When to stop.
        progress: Who watches.
    """

    study: Study
    options: Options
    examiner: Examiner
    files: RunFiles
    budget: SearchBudget
    progress: Progress

    def work(self) -> None:
        """Do trials until the budget is used up, or everything was tried."""
        while not self._is_enough():
            self.study.put_forward(self._beside_the_front())
            with self.study.next() as asked:
                if asked is None:
                    self.progress.say("everything that can be chosen was tried")
                    return
                trial = self.examiner.examine(self.wanted(asked))
                self.study.tell(trial)
                self.files.write(f"trials/{trial.number:05}.json", trial.to_dict())
                self.files.keep_clock()
                self.progress.say(str(trial))

    def _beside_the_front(self) -> Iterator[dict[str, Choice]]:
        """Yield what differs in one place from the trials that can be hoped to keep the limits, the boldest first."""
        limit = self.examiner.limit
        for one in front(self.study.trials(), limit):
            if may_recover(one, limit):
                yield from self.options.neighbours(one.parameters)

    def wanted(self, asked: Asked, effort: Effort | None = None) -> Wanted:
        """Return what is to be examined for a choice.

        Args:
            asked: The choice.
            effort: The full recovery; None takes the short one.
        """
        rate = self.options.space.learning_rate
        short = Effort(epochs=1, images=self.budget.short_images, learning_rate=rate)
        return Wanted(
            number=asked.number,
            stage="full" if effort else "short",
            parameters=asked.parameters,
            way=self.examiner.survey.way(self.options.way_of(asked.parameters)),
            recipe=self.options.recipe(asked.parameters, effort or short),
            untrained=None
            if effort or not self.options.cuts(asked.parameters)
            else self.options.recipe(asked.parameters, None),
        )

    def _is_enough(self) -> bool:
        budget, done = self.budget, len(self.study.trials())
        if budget.trials is not None and done + self.study.busy_elsewhere() >= budget.trials:
            return True
        if budget.minutes is None or done < _AT_LEAST:
            return False
        share = _SHORT_SHARE if self.options.space.trains else 1.0
        return self.files.seconds >= share * 60 * budget.minutes


@contextmanager
def beside(work: Callable[..., None], jobs: Sequence[tuple[Any, ...]]) -> Iterator[None]:
    """Run work in processes of their own while the block runs, and wait for them at its end.

    Args:
        work: A function of a module.
        jobs: The arguments of each process.

    Raises:
        SettingError: The network or the task cannot be handed to another process, or one failed.
    """
    processes = [multiprocessing.get_context("spawn").Process(target=work, args=one, daemon=True) for one in jobs]
    try:
        for one in processes:
            one.start()
    except (AttributeError, TypeError) as error:
        raise SettingError(
            f"the network or the task cannot be handed to another process: {error}",
            where="workers",
            fix="define its loss and metric in a file, or use one worker",
        ) from error
    try:
        yield
        for one in processes:
            one.join()
    finally:
        for one in processes:
            if one.is_alive():
                one.terminate()
    if any(one.exitcode for one in processes):
        raise SettingError("a worker failed; its own message says why", where="workers", fix="use one worker")
