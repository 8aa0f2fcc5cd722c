"""How long a network that was cut is trained before it is judged."""

from dataclasses import dataclass

from lissome.core.step import Step
from lissome.training.optimizers import SGD
from lissome.training.recalibrate_batch_norm import RecalibrateBatchNorm
from lissome.training.train import Train
from lissome.training.transfers import FeatureHints, SoftTargets

CALM = 0.02
"""Learning rate of recoveries, falling to 0. A network that was cut remembers most of what it knew; hotter rates make
it forget."""
_HINTS = 100.0
"""Weight of the teacher's maps beside its answers (`benchmarks/results/recovery.json`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long a network that was cut is trained before it is judged.

    Args:
        epochs: Passes.
        images: Training images of each; None takes all.
        learning_rate: At the start; it falls to 0.
    """

    epochs: int
    images: int | None = None
    learning_rate: float = CALM

    def steps(self, *, hints: bool = False) -> tuple[Step, ...]:
        """Return the recovery, with the original as teacher.

        Args:
            hints: Whether the network still has the teacher's maps, so that they are compared, too.
        """
        train = Train(
            epochs=self.epochs,
            images=self.images,
            teacher="original",
            transfers=(SoftTargets(), FeatureHints(weight=_HINTS, relative=True)) if hints else (),
            optimizer=SGD(learning_rate=self.learning_rate),
            keep="best" if self.epochs > 1 else "last",
        )
        return (RecalibrateBatchNorm(images=min(1024, self.images or 1024)), train)
