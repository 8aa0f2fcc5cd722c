"""Repeat, on any machine, what an artifact claims: every engine's numbers on the stored samples, and its latency."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lissome.core.errors import EngineMissingError, LissomeError
from lissome.core.names import choose
from lissome.core.text_table import render
from lissome.exporting.parity import Limits, Parity, compare
from lissome.exporting.stored_samples import StoredSamples, stored_samples
from lissome.runtimes.artifact import Artifact, load
from lissome.timing.measure import Latency
from lissome.timing.pinned import pinned
from lissome.timing.sessions import measure_sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was found for one engine.

    Args:
        engine: Name of the runtime.
        state: "agrees", "differs", or "not run" where the engine is not there or refuses.
        reason: Why it was not run, or by how much it differs; "" where it agrees.
        version: Version of the engine here.
        stored_version: Version that the artifact was proved with.
        parity: The comparison here, or None.
        latency: Time of one image here, or None.
        stored_ms: Median in the card, or None where there is none.
    """

    engine: str
    state: str
    reason: str = ""
    version: str = ""
    stored_version: str = ""
    parity: Parity | None = None
    latency: Latency | None = None
    stored_ms: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the check as plain JSON values."""
        names = ("engine", "state", "reason", "version", "stored_version", "stored_ms")
        return {
            **{name: getattr(self, name) for name in names},
            "parity": self.parity.to_dict() if self.parity else None,
            "latency": self.latency.to_dict() if self.latency else None,
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found for all engines of an artifact; its bytes had the size and hash that the card says.

    Args:
        name: The network.
        samples: How many samples each engine ran.
        checks: One entry an engine.
    """

    name: str
    samples: int
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether an engine was run, and all that were agree."""
        states = [one.state for one in self.checks]
        return "differs" not in states and "agrees" in states

    def to_dict(self) -> dict[str, Any]:
        """Return all checks as plain JSON values."""
        table = [one.to_dict() for one in self.checks]
        return {"name": self.name, "samples": self.samples, "passed": self.passed, "engines": table}

    def __str__(self) -> str:
        columns = ("engine", "version", "state", "max rel", "median ms here", "stored ms")
        rows = [
            (
                *(one.engine, one.version or "–", one.state),
                f"{max(part.max_rel for part in one.parity.outputs):.1e}" if one.parity else "",
                f"{one.latency.median_ms:.3f}" if one.latency else "",
                "" if one.stored_ms is None else f"{one.stored_ms:.3f}",
            )
            for one in self.checks
        ]
        title = f"{self.name}: all hashes are right; {self.samples} stored samples"
        reasons = [f"{one.engine}: {one.reason}" for one in self.checks if one.reason]
        return "\n".join([render(columns, rows, title=title, left=3), *reasons])


def verify(
    artifact: Artifact | str | Path, *, runtimes: Sequence[str] | None = None, seconds: float = 2.0, seed: int = 0
) -> Verification:
    """Run every engine file of an artifact on the samples stored in it, and time it again.

    Args:
        artifact: A `.lissome` file, which is read and checked byte by byte, or one that was loaded.
        runtimes: Engines to run; None takes all that it has files for.
        seconds: Time for the latency of each engine, > 0.
        seed: Seed of the measurement.

    Raises:
        BadArtifactError: It is damaged, or of a time before samples were stored.
        UnknownNameError: It has nothing for an engine that was named.
    """
    if isinstance(artifact, Artifact):
        chosen = artifact
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it was tuned elsewhere is the point of looking here
            chosen = load(artifact)
    samples = stored_samples(chosen.card, chosen.contents)
    for name in runtimes or ():
        choose(chosen.card.engines, name, f"engine of {chosen.path.name}")
    checks = tuple(_check(chosen, name, samples, seconds, seed) for name in runtimes or chosen.runtimes)
    return Verification(chosen.card.name, len(samples.inputs[0]), checks)


def _check(artifact: Artifact, engine: str, samples: StoredSamples, seconds: float, seed: int) -> Check:
    entry = artifact.card.engines[engine]
    unknown = Check(
        engine=engine, state="not run", stored_version=entry.version, stored_ms=stored_latency_ms(artifact, engine)
    )
    try:
        with pinned(1):
            session = artifact.session(engine, threads=1)
            outputs = session.run(*samples.inputs)
            limits = Limits(**entry.parity["limits"])
            parity = compare(samples.outputs[engine], outputs, engine=engine, limits=limits)
            first = [one[:1] for one in samples.inputs]
            timing = measure_sessions({engine: session}, *first, seconds=seconds, seed=seed)
    except EngineMissingError as error:
        return replace(unknown, reason=str(error))
    except (LissomeError, KeyError, TypeError) as error:  # a card of somebody else's may lack limits
        return replace(unknown, state="differs", reason=str(error))
    return replace(
        unknown,
        state="differs" if parity.failure else "agrees",
        reason=parity.failure or "",
        version=session.describe().version,
        parity=parity,
        latency=timing.latency(engine),
    )


def stored_latency_ms(artifact: Artifact, engine: str) -> float | None:
    """Return the median that the card has for an engine, or None."""
    tuned = artifact.card.tuning
    if tuned is not None and tuned.engine == engine:
        found: Any = next((one.get("median_ms") for one in tuned.candidates if one.get("chosen")), None)
        return float(found) if isinstance(found, int | float) else None
    table: Any = artifact.card.measurements
    for key in ("compressed", "latency_ms", engine):
        if key == "compressed" and "compressed" not in table:
            continue
        table = table.get(key) if isinstance(table, Mapping) else None
    return float(table) if isinstance(table, int | float) else None
