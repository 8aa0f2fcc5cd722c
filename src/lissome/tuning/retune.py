"""Choose anew on this machine among what an artifact holds."""

import os
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

from lissome.artifacts.archive import write_archive
from lissome.core.errors import LissomeError
from lissome.exporting.parity import Limits, compare
from lissome.exporting.stored_samples import StoredSamples, stored_samples
from lissome.runtimes.artifact import Artifact, load
from lissome.runtimes.protocol import Session
from lissome.runtimes.table import get_runtime
from lissome.timing.pinned import pinned
from lissome.tuning.build import Build
from lissome.tuning.candidate import Candidate
from lissome.tuning.files import open_candidate
from lissome.tuning.race import race
from lissome.tuning.tuned_archive import tuning_of


def retune(path: str | os.PathLike[str], *, threads: int | None = None, seconds: float = 10.0, seed: int = 0) -> Build:
    """Time every way that an artifact's files can be run here, and write the quickest into its card.

    Each way must agree with the outputs stored in the artifact within the limits stored there: lower precision is
    taken only where it was when the artifact was built.

    Args:
        path: A `.lissome` file with samples; written anew, whole or not at all.
        threads: Threads of the engines; None takes those it was tuned for, else 1.
        seconds: Time for the measurement, > 0.
        seed: Seed of the order of turns.

    Raises:
        BadArtifactError: The file is damaged, or holds no samples.
        EngineError: None of its engines is installed or agrees; the file stays as it was.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it was tuned elsewhere is why we are here
        artifact = load(path)
    samples = stored_samples(artifact.card, artifact.contents)
    tuned = artifact.card.tuning
    count = threads if threads is not None else tuned.threads if tuned else 1
    with tempfile.TemporaryDirectory(prefix="lissome-") as temporary:
        folder = Path(temporary)
        for engine in artifact.runtimes:
            artifact.extract(engine, folder)
        tried = [one for engine in artifact.runtimes for one in _ways(artifact, engine, folder, samples, count)]
        able = {one.label: one for one in tried if not one.reason}

        def open_session(label: str) -> Session:
            return open_candidate(able[label], folder, count)

        first = tuple(one[:1] for one in samples.inputs)
        with pinned(count):
            timed = race(able, open_session, first, seconds=seconds, seed=seed)
    ordered = sorted(timed.values(), key=lambda one: one.latency.median_ms if one.latency else 0.0)
    candidates = (*ordered, *(one for one in tried if one.reason))
    chosen = next(one for one in ordered if one.chosen)
    card = replace(artifact.card, tuning=tuning_of(chosen, candidates, count))
    return Build(Artifact(Path(path), write_archive(path, card, artifact.contents), artifact.contents), candidates)


def _ways(artifact: Artifact, engine: str, folder: Path, samples: StoredSamples, threads: int) -> list[Candidate]:
    runtime, entry = get_runtime(engine), artifact.card.engines[engine]
    try:
        runtime.require()
        offered = runtime.offers(folder)
    except LissomeError as error:
        return [Candidate(engine=engine, reason=str(error))]
    found = []
    for precision in offered:
        for options in runtime.worth_trying:
            one = Candidate(engine=engine, precision=precision, options={**entry.options, **options})
            found.append(replace(one, reason=_against(one, artifact, folder, samples, threads)))
    return found


def _against(one: Candidate, artifact: Artifact, folder: Path, samples: StoredSamples, threads: int) -> str:
    """Return why a way may not be taken, or ""."""
    try:
        limits = Limits(**artifact.card.engines[one.engine].parity["limits"])
        outputs = open_candidate(one, folder, threads).run(*samples.inputs)
        return compare(samples.outputs[one.engine], outputs, engine=one.engine, limits=limits).failure or ""
    except LissomeError as error:
        return str(error)
