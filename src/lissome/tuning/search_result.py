"""What a search found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lissome.core.settings import settings_of
from lissome.core.text_table import render
from lissome.runtimes.artifact import Artifact
from lissome.tuning.trials.finalists import front
from lissome.tuning.trials.limit import Limit
from lissome.tuning.trials.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What a search found.

    Args:
        name: The network.
        path: The search's folder, with the winner as `best.lissome` and its recipe as `best.toml`.
        limit: What was to be kept.
        seed: Whence all randomness came.
        trials: Everything that was tried with a short recovery, in order.
        finalists: Those that got the full recovery, in order.
        winner: The best that keeps the limits, else the nearest.
        verdict: Whether the limits are kept; else which cannot be met and what the nearest is.
        survey: The ways to run the original that were found.
        comparison: The original and the winner on its engine: test images, time in pairs, size.
        is_reproduced: Whether the winner's recipe gave the engine's files a second time to the byte.
        seconds: How long everything took.
        artifact: The winner.
        labels: What accuracy means: "data", or agreement with the "original".
        views: For the reader: sensitivity (what each group of channels bears, where a scan looked), scales (how large
            those of the normalisations are) and roofline (of the winner, where it was timed on this machine).
    """

    name: str
    path: Path
    limit: Limit
    seed: int
    trials: tuple[Trial, ...]
    finalists: tuple[Trial, ...]
    winner: Trial
    verdict: str
    survey: Mapping[str, Any]
    comparison: Mapping[str, Any]
    is_reproduced: bool
    seconds: float
    artifact: Artifact = field(repr=False)
    labels: str = "data"
    views: Mapping[str, Any] = field(default_factory=dict)

    @property
    def engine(self) -> str:
        """The engine of the winner."""
        return self.artifact.runtimes[0]

    @property
    def final(self) -> dict[str, float]:
        """The winner on the test images: latency_ms, speedup, accuracy, drop and stored_kib."""
        before, after = self.comparison["original"], self.comparison["compressed"]
        return {
            "latency_ms": after["latency_ms"][self.engine],
            "speedup": self.comparison["speedup"][self.engine]["ratio"],
            "accuracy": after["accuracy"][self.engine],
            "drop": before["accuracy"][self.engine] - after["accuracy"][self.engine],
            "stored_kib": self.artifact.stored_kib(self.engine),
        }

    @property
    def missed(self) -> dict[str, float]:
        """By how much the final measurement misses each limit that it does not keep, as a share of it."""
        return self.limit.missed(**{name: self.final[name] for name in ("latency_ms", "drop", "stored_kib")})

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        names = ("name", "seed", "verdict", "is_reproduced", "seconds", "labels")
        return {name: getattr(self, name) for name in names} | {
            "path": str(self.path),
            "limit": {name: one for name, one in settings_of(self.limit).items() if name != "kind"},
            "aim": self.limit.aim,
            "trials": [one.to_dict() for one in self.trials],
            "finalists": [one.to_dict() for one in self.finalists],
            "winner": self.winner.to_dict(),
            "front": [one.number for one in front(self.trials, self.limit)],
            "survey": dict(self.survey),
            "comparison": dict(self.comparison),
            "final": self.final,
            "missed": self.missed,
            "views": dict(self.views),
        }

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], artifact: Artifact) -> "SearchResult":
        """Return what `to_dict` gave, also after JSON."""
        names = ("name", "seed", "verdict", "is_reproduced", "seconds", "labels", "survey", "comparison", "views")
        return cls(
            **{name: table[name] for name in names},
            path=Path(table["path"]),
            limit=Limit(**table["limit"]),
            trials=tuple(Trial.from_dict(one) for one in table["trials"]),
            finalists=tuple(Trial.from_dict(one) for one in table["finalists"]),
            winner=Trial.from_dict(table["winner"]),
            artifact=artifact,
        )

    def __str__(self) -> str:
        shown = [*front(self.trials, self.limit), *self.finalists]
        rows = [
            (
                f"{one.number}{' full' if one.stage == 'full' else ''}",
                ", ".join(f"{name} {value}" for name, value in one.parameters.items()),
                f"{one.figures['latency_ms']:.3f}",
                f"{one.figures['speedup']:.2f}x",
                f"{100 * one.figures['drop']:+.2f}",
                f"{one.figures['stored_kib']:.1f}",
                "winner" if (one.number, one.stage) == (self.winner.number, self.winner.stage) else "",
            )
            for one in shown
            if not one.failed
        ]
        columns = ("trial", "choices", "ms", "speed-up", "drop, points", "KiB", "")
        failed = sum(one.failed for one in self.trials)
        title = f"{self.name}: the front of {len(self.trials)} trials ({failed} declined), on validation images"
        table = render(columns, rows, title=title, left=2)
        final, speed = self.final, self.comparison["speedup"][self.engine]
        measure = "accuracy" if self.labels == "data" else "agreement with the original"
        lines = [
            table,
            f"{self.verdict}",
            f"on {self.comparison['test_images']:,} test images, {self.engine}: {measure} {final['accuracy']:.2%} "
            f"(drop {100 * final['drop']:+.2f} points), {final['latency_ms']:.3f} ms, {speed['ratio']:.2f}x "
            f"[{speed['low']:.2f}, {speed['high']:.2f}], {final['stored_kib']:.1f} KiB",
        ]
        if self.missed and not self.winner.missed:
            lines.append(f"note: on the test images it misses {', '.join(self.missed)}")
        return "\n".join(lines)
