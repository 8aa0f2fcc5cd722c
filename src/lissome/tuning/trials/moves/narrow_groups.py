"""Narrow each group of channels by what it bears."""

from dataclasses import dataclass, field
from typing import ClassVar

from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.scores import L1, Score
from lissome.compression.pruning.sensitivity_scan import SensitivityScan
from lissome.core.step import Step
from lissome.tuning.trials.facts import Facts
from lissome.tuning.trials.moves.move import Move, check_shares
from lissome.tuning.trials.trial import Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrowGroups(Move):
    """Narrow each group of channels as far as it bears by itself, as a scan of the network before the search found.

    Args:
        drops: Losses of the metric that a group cut by itself may cost, in (0, 1).
        keeps: Shares of a group's channels that the scan looks at, in (0, 1).
        multiple_of: The channels kept of a group are a multiple of this, or all.
        score: What a channel is worth.
        reconstruct: Training images that the layers behind are fitted on; 0 does not.
        images: Validation images that the scan looks at.
    """

    name: ClassVar[str] = "groups"
    excludes: ClassVar[tuple[str, ...]] = ("channels",)
    drops: tuple[float, ...] = (0.02, 0.06)
    keeps: tuple[float, ...] = (0.75, 0.5, 0.25)
    multiple_of: int = 8
    score: Score = field(default_factory=L1)
    reconstruct: int = 256
    images: int = 128

    def __post_init__(self) -> None:
        check_shares("NarrowGroups.drops", self.drops)
        check_shares("NarrowGroups.keeps", self.keeps)

    def scan(self) -> SensitivityScan:
        """Return the scan."""
        return SensitivityScan(keep=self.keeps, score=self.score, images=self.images)

    def choices(self, facts: Facts) -> tuple[Choice, ...]:
        """Return what a group may lose; 0 leaves all whole."""
        found: dict[str, float] = {"{}": 0.0}
        for drop in sorted(self.drops):
            found.setdefault(str(self._shares(drop, facts)), drop)
        return tuple(found.values())

    def steps(self, choice: Choice, facts: Facts) -> tuple[Step, ...]:
        """Return one cut with a share for each group that bears it."""
        return (
            PruneChannels(
                keep=1.0,
                keep_of=self._shares(float(choice), facts),
                score=self.score,
                multiple_of=self.multiple_of,
                reconstruct=self.reconstruct,
            ),
        )

    def _shares(self, drop: float, facts: Facts) -> dict[str, float]:
        """Return the least share that each group bears, where it bears any and can be cut to a multiple."""
        if facts.sensitivity is None:
            return {}
        base, shares = facts.sensitivity["base"], {}
        for group in facts.sensitivity["groups"]:
            kept = 1.0
            for keep, metric in sorted(zip(facts.sensitivity["keep"], group["metric"], strict=True), reverse=True):
                if base - metric > drop:
                    break
                kept = keep
            if kept < 1 and group["channels"] > self.multiple_of:
                shares[str(group["name"])] = float(kept)
        return shares
