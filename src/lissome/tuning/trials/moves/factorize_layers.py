"""Write layers as chains of smaller ones."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from lissome.compression.factorization.candidate import Method
from lissome.compression.factorization.factorize_convs import FactorizeConvs
from lissome.compression.factorization.factorize_linear import FactorizeLinear
from lissome.compression.factorization.ranks import CostShare, Energy
from lissome.core.step import Step
from lissome.profiling.latency_table import LatencyTable
from lissome.tuning.trials.facts import Factorizing, Facts, kind_of
from lissome.tuning.trials.moves.move import Move, check_shares
from lissome.tuning.trials.trial import Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorizeLayers(Move):
    """Write convolutions as chains of smaller ones, or fully connected layers as two thin ones, where that costs less.

    Args:
        methods: Of `FactorizeConvs`.
        keep: Share of the network's time, or of its multiply-adds, that convolutions are brought to, in (0, 1).
        energy: Share of the squared weights that fully connected layers keep, in (0, 1).
        multiple_of: Ranks are multiples of this.
        images: Training images that the convolutions are fitted on; 0 fits the weights.
    """

    name: ClassVar[str] = "factors"
    methods: tuple[Method, ...] = ("spatial", "tucker")
    keep: float = 0.75
    energy: float = 0.9
    multiple_of: int = 8
    images: int = 128

    def __post_init__(self) -> None:
        check_shares("FactorizeLayers.keep", (self.keep,))
        check_shares("FactorizeLayers.energy", (self.energy,))

    def factors(self) -> tuple[Factorizing, ...]:
        """Return one factorization a method, and that of fully connected layers."""
        return tuple(self._named("macs").values())

    def choices(self, facts: Facts) -> tuple[Choice, ...]:
        """Return the methods for layers that hold enough to be worth it."""
        able = (name for name, step in self._named(facts.objective).items() if kind_of(step) in facts.splits)
        return ("whole", *able)

    def steps(self, choice: Choice, facts: Facts) -> tuple[Step, ...]:
        """Return the factorization."""
        return (self._named(facts.objective)[str(choice)],)

    def _named(self, objective: Literal["macs"] | LatencyTable) -> dict[str, Factorizing]:
        convolutions: dict[str, Factorizing] = {
            one: FactorizeConvs(
                method=one,
                ranks=CostShare(keep=self.keep),
                objective=objective,
                multiple_of=self.multiple_of,
                images=self.images,
            )
            for one in self.methods
        }
        linear = FactorizeLinear(ranks=Energy(share=self.energy), objective=objective, multiple_of=self.multiple_of)
        return {**convolutions, "fully connected": linear}
