"""One trial: what was tried, and what came of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Choice = str | int | float
"""What a parameter of a search can be."""

Stage = Literal["short", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What was tried, and what came of it.

    Args:
        number: Its number in the study.
        stage: "short" after a short recovery, "full" after the full one.
        parameters: What was chosen.
        way: Engine, precision, graph and options, in one line.
        recipe_toml: The recipe.
        seed: Whence its randomness came.
        figures: accuracy, drop (against the original on its engine), latency_ms, speedup, speedup_low, speedup_high,
            size_kib (of the engine's files), stored_kib (of the same in the artifact), params and macs; empty where it
            failed.
        missed: By how much each limit that it does not keep is missed, as a share of it.
        artifact_sha256: Hash of the engine's files.
        widths: Channels that each convolution and fully connected layer makes, in the order of the network.
        declined: What its steps declined, and why.
        started: When, in seconds since the search began.
        seconds: How long it took.
        training_seconds: How much of that its training took.
        worker: Who did it: host and process.
        reason: Why it failed, or what was left out; "" for nothing.
        failed: Whether there are no figures.
    """

    number: int
    stage: Stage
    parameters: Mapping[str, Choice]
    way: str
    recipe_toml: str
    seed: int
    figures: Mapping[str, float] = field(default_factory=dict)
    missed: Mapping[str, float] = field(default_factory=dict)
    artifact_sha256: str = ""
    widths: tuple[tuple[str, int], ...] = ()
    declined: tuple[str, ...] = ()
    started: float = 0.0
    seconds: float = 0.0
    training_seconds: float = 0.0
    worker: str = ""
    reason: str = ""
    failed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the trial as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> "Trial":
        """Return what `to_dict` gave, also after JSON."""
        widths = tuple((str(name), int(width)) for name, width in table["widths"])
        return cls(**{**table, "widths": widths, "declined": tuple(table["declined"])})

    def __str__(self) -> str:
        choices = ", ".join(f"{name} {value}" for name, value in self.parameters.items()) or "as it is"
        head = f"{'trial' if self.stage == 'short' else 'full recovery of trial'} {self.number} ({choices})"
        if self.failed:
            return f"{head}: {self.reason}"
        one = self.figures
        kept = "keeps all limits" if not self.missed else f"misses {', '.join(self.missed)}"
        return (
            f"{head}: {one['latency_ms']:.3f} ms, drop {100 * one['drop']:+.2f} points, "
            f"{one['stored_kib']:.1f} KiB, {kept}"
        )
