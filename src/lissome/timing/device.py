"""What times networks: this machine, or a device that is reached from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Self

from lissome.core.errors import EngineError
from lissome.core.machine import describe_machine, fingerprint
from lissome.runtimes.artifact import Artifact
from lissome.runtimes.protocol import Array, Option, Session
from lissome.runtimes.table import get_runtime
from lissome.timing.measure import Timing, measure
from lissome.timing.pinned import pinned


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFiles:
    """A network as the files of one engine, with images to run.

    Args:
        engine: Name of the runtime.
        folder: Where its files lie.
        inputs: One array (N, …) an input; the first of each is what is timed.
        precision: What it must compute in; None takes what the files say.
        options: Options of the engine that are not its defaults.
    """

    engine: str
    folder: Path
    inputs: tuple[Array, ...]
    precision: str | None = None
    options: Mapping[str, Option] = field(default_factory=dict)

    def open(self, threads: int) -> Session:
        """Load it here.

        Raises:
            EngineError: The engine is not installed, or refuses the files.
        """
        return get_runtime(self.engine).load(
            self.folder, threads=threads, precision=self.precision, options=self.options
        )

    @classmethod
    def of(cls, artifact: Artifact, engine: str, folder: Path, inputs: tuple[Array, ...]) -> Self:
        """Return one engine's files of an artifact, to be run as it was tuned.

        Args:
            artifact: The artifact.
            engine: The engine.
            folder: Where to write the files.
            inputs: Images.

        Raises:
            UnknownNameError: The artifact has nothing for the engine.
        """
        settings = artifact.settings(engine)
        artifact.extract(engine, folder)
        return cls(engine=engine, folder=folder, inputs=inputs, precision=settings.precision, options=settings.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """How networks are timed turn by turn.

    Args:
        baseline: The network that the others are compared with, or None.
        threads: Threads of the engines, ≥ 1.
        rounds: Fewest rounds before a tight interval ends it.
        seconds: Time for the rounds, > 0.
        seed: Seed of the order of turns.
    """

    baseline: str | None = None
    threads: int = 1
    rounds: int = 20
    seconds: float = 10.0
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """What times networks.

    Args:
        machine: The machine.
        versions: Versions of its engines.
        fingerprints: For each engine, the hash of machine, engine and version.
    """

    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    fingerprints: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """What a device measured.

    Args:
        timing: Times of those that run there.
        declined: Why the others do not, by name.
    """

    timing: Timing
    declined: Mapping[str, str] = field(default_factory=dict)

    def require(self) -> Timing:
        """Return the times.

        Raises:
            EngineError: A network does not run there; says which and why.
        """
        for name, reason in self.declined.items():
            raise EngineError(f"{name} {reason}", where="device")
        return self.timing


class TimingDevice(Protocol):
    """What times networks."""

    def facts(self, engines: Sequence[str]) -> DeviceFacts:
        """Return what it is, and the versions of its engines.

        Raises:
            EngineError: An engine is not installed there, or the device is not reached.
        """

    def time(self, networks: Mapping[str, EngineFiles], turns: Turns) -> Timed:
        """Time networks turn by turn.

        Raises:
            EngineError: The device is not reached, or the baseline does not run there.
        """


@dataclass(frozen=True, slots=True)
class ThisMachine:
    """The machine that lissome runs on.

    Example:
        >>> ThisMachine().facts(("onnxruntime",)).machine["threads"]
        1
    """

    def facts(self, engines: Sequence[str]) -> DeviceFacts:
        """Return what this machine is."""
        versions = {one: get_runtime(one).version() for one in engines}
        prints = {name: fingerprint(name, version) for name, version in versions.items()}
        return DeviceFacts(machine=describe_machine(), versions=versions, fingerprints=prints)

    def time(self, networks: Mapping[str, EngineFiles], turns: Turns) -> Timed:
        """Time networks here.

        Raises:
            EngineError: An engine refuses one.
        """
        with pinned(turns.threads):
            calls = {
                name: partial(one.open(turns.threads).run, *(each[:1] for each in one.inputs))
                for name, one in networks.items()
            }
            timing = measure(
                calls, baseline=turns.baseline, rounds=turns.rounds, seconds=turns.seconds, seed=turns.seed
            )
        return Timed(timing=timing)
