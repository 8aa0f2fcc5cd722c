"""The study of a search, kept by Optuna: it proposes what to try next and remembers every trial, whoever is killed."""

import hashlib
import random
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from lissome.core.errors import RunError
from lissome.tuning.trials.space import Options
from lissome.tuning.trials.trial import Choice, Trial

if TYPE_CHECKING:
    import optuna

_RECORD, _PLACE, _SAME, _MISSED = "record", "place", "same_as", "missed"
_STARTUP = 8
"""Trials before the sampler trusts what it has seen."""
_LIMITS = ("max_drop", "max_ms", "max_kib")


@dataclass(frozen=True, slots=True)
class Asked:
    """A trial that is to be done.

    Args:
        number: Its number.
        parameters: What was chosen.
    """

    number: int
    parameters: Mapping[str, Choice]


class Study:
    """Proposes trials and remembers them: latency, drop and size are all made small, within the limits.

    A trial that a killed process left is done again with what was chosen for it. With one worker, what is proposed
    depends on the seed and the trials before alone.

    Args:
        place: The run's folder, for locks of trials in work.
        name: The study's name in the storage.
        storage: A database that Optuna can reach (``sqlite:///…``, ``postgresql://…``); None keeps it in the folder.
        options: What can be chosen.
        seed: Whence proposals come.
    """

    def __init__(self, place: Path, name: str, storage: str | None, options: Options, seed: int) -> None:
        import optuna  # takes a second, and only a search needs it

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        place.mkdir(parents=True, exist_ok=True)
        self._place, self._options, self._seed = place, options, seed
        self._open: dict[int, optuna.trial.Trial] = {}
        url = storage or f"sqlite:///{(place / 'study.db').resolve()}"
        try:
            with FileLock(place / ".study.lock"):  # two processes must not make the tables at once
                self._study = optuna.create_study(
                    storage=optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": _patience(url)}),
                    study_name=name,
                    directions=["minimize"] * 3,
                    load_if_exists=True,
                )
        except Exception as error:  # each database raises its own kinds
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise RunError(
                f"cannot be opened: {reason}", where=url, fix="name a database that Optuna can reach"
            ) from error
        with FileLock(place / ".study.lock"):
            for parameters in options.first():
                self._study.enqueue_trial(dict(parameters), skip_if_exists=True)

    def trials(self) -> list[Trial]:
        """Return every trial that ended, in order, without those that repeat another."""
        return [
            Trial.from_dict(one.user_attrs[_RECORD])
            for one in self._study.get_trials(deepcopy=False)
            if one.state.is_finished() and _RECORD in one.user_attrs and _SAME not in one.user_attrs
        ]

    def put_forward(self, choices: Iterable[Mapping[str, Choice]]) -> None:
        """Ask next for the first of these that was never chosen, every second time; the sampler proposes the others.

        Args:
            choices: Asked for only where nothing waits.
        """
        known = self._study.get_trials(deepcopy=False)
        if len(known) % 2 or any(one.state.name == "WAITING" or self._was_left(one) for one in known):
            return
        seen = [dict(one.params) for one in known]
        if (unseen := next((one for one in choices if dict(one) not in seen), None)) is not None:
            self._study.enqueue_trial(dict(unseen), skip_if_exists=True)

    @contextmanager
    def next(self) -> Iterator[Asked | None]:
        """Give the next trial, locked against other workers; None where everything was tried.

        A trial that was chosen before is told again without being done.
        """
        while True:
            trial, lock = self._claimed()
            self._open[trial.number] = trial
            try:
                parameters = self._suggested(trial)
                twin = self._twin(parameters, trial.number)
                if twin is None:
                    yield Asked(trial.number, parameters)
                    return
                self._tell(trial.number, twin, same=True)
                if not self._enqueue_unseen(trial.number):
                    yield None
                    return
            finally:
                lock.release()

    def busy_elsewhere(self) -> int:
        """Return how many trials others are at work on; those that a killed process left do not count."""
        return sum(self._is_locked(one.number) for one in self._study.get_trials(deepcopy=False) if _is_running(one))

    def _is_locked(self, number: int) -> bool:
        if lock := self._lock(number):
            lock.release()
        return lock is None

    def tell(self, trial: Trial) -> None:
        """Keep what came of a trial."""
        self._tell(trial.number, trial, same=False)

    def _tell(self, number: int, record: Trial, *, same: bool) -> None:
        import optuna

        trial = self._open.pop(number)
        missed = [float(record.missed.get(name, 0.0)) for name in _LIMITS]
        trial.set_user_attr(_RECORD, record.to_dict())
        trial.set_user_attr(_MISSED, missed)
        if same:
            trial.set_user_attr(_SAME, record.number)
        if record.failed:
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, [record.figures[name] for name in ("latency_ms", "drop", "stored_kib")])

    def _claimed(self) -> tuple["optuna.trial.Trial", FileLock]:
        """Return a trial that nobody works on: one that a killed process left, else a new one."""
        import optuna

        for one in self._study.get_trials(deepcopy=False):
            if self._is_here(one) and (lock := self._lock(one.number)):
                self._study.sampler = self._sampler(one.number)
                return optuna.trial.Trial(self._study, one._trial_id), lock
        while True:
            self._study.sampler = self._sampler(len(self._study.get_trials(deepcopy=False)))
            trial = self._study.ask()
            if lock := self._lock(trial.number):
                trial.set_user_attr(_PLACE, str(self._place))
                return trial, lock

    def _is_here(self, frozen: Any) -> bool:
        """Tell whether a trial was begun in this folder and has not ended."""
        return _is_running(frozen) and frozen.user_attrs.get(_PLACE, str(self._place)) == str(self._place)

    def _was_left(self, frozen: Any) -> bool:
        return self._is_here(frozen) and not self._is_locked(frozen.number)

    def _lock(self, number: int) -> FileLock | None:
        lock = FileLock(self._place / "locks" / f"{number}.lock")
        Path(lock.lock_file).parent.mkdir(exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        return lock

    def _suggested(self, trial: "optuna.trial.Trial") -> dict[str, Choice]:
        chosen: dict[str, Choice] = {}
        for name, choices in self._options.choices().items():
            if self._options.is_asked(name, chosen):
                chosen[name] = choices[choices.index(trial.suggest_categorical(name, choices))]
        return chosen

    def _twin(self, parameters: Mapping[str, Choice], number: int) -> Trial | None:
        ended = (one for one in self.trials() if dict(one.parameters) == dict(parameters) and one.number != number)
        return next(ended, None)

    def _enqueue_unseen(self, number: int) -> bool:
        """Put something that was never chosen next; tell whether there is any."""
        seen = [dict(one.params) for one in self._study.get_trials(deepcopy=False)]
        waiting = [one.system_attrs.get("fixed_params") for one in self._study.get_trials(deepcopy=False)]
        left = [one for one in self._options.combinations() if one not in seen and one not in waiting]
        if not left:
            return any(one.state.name == "WAITING" for one in self._study.get_trials(deepcopy=False))
        pick = random.Random(_seed_of(self._seed, number, "unseen")).choice(left)
        self._study.enqueue_trial(pick)
        return True

    def _sampler(self, number: int) -> "optuna.samplers.BaseSampler":
        """Return a sampler whose numbers depend on seed and trial alone: a resumed study goes on alike."""
        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna calls constraints experimental
            return optuna.samplers.TPESampler(
                seed=_seed_of(self._seed, number, "sampler"),
                n_startup_trials=_STARTUP,
                constraints_func=_constraints,
            )


def _is_running(frozen: Any) -> bool:
    return str(frozen.state.name) == "RUNNING"


def _constraints(frozen: Any) -> Sequence[float]:
    missed: list[float] = frozen.user_attrs[_MISSED]
    return missed


def _patience(url: str) -> dict[str, Any]:
    return {"timeout": 60} if url.startswith("sqlite") else {}


def _seed_of(seed: int, number: int, purpose: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}/{purpose}".encode()).digest()[:4], "little")
