"""How the ranks are chosen: by what is kept, by what stands out of noise, or by what the network may cost."""

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lissome.compression.factorization.candidate import Candidate, Option, option_of
from lissome.compression.factorization.decomposition import Ranks
from lissome.compression.factorization.piece import Objective
from lissome.core.errors import SettingError

Choice = Option | str
"""What a layer becomes, or why it stays."""

_NOTHING_PAYS = "no rank would cost less than the layer does"


class RankRule(ABC):
    """Chooses the ranks of every layer."""

    __slots__ = ()

    @abstractmethod
    def choose(
        self, candidates: Sequence[Candidate], network: float, objective: Objective, multiple_of: int
    ) -> Mapping[str, Choice]:
        """Return, for each layer by its path, its ranks or the reason why it stays.

        Args:
            candidates: The layers.
            network: What the whole network costs.
            objective: In what.
            multiple_of: What ranks are rounded to.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy(RankRule):
    """The cheapest ranks that keep a share of each layer's energy.

    Args:
        share: Of the squared weights, or with images of the squared outputs, in (0, 1).

    Example:
        >>> Energy(share=1.5)
        Traceback (most recent call last):
        lissome.core.errors.SettingError: Energy: share is 1.5; choose a value in (0, 1)
    """

    share: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise SettingError(f"share is {self.share}", where="Energy", fix="choose a value in (0, 1)")

    def choose(
        self, candidates: Sequence[Candidate], network: float, objective: Objective, multiple_of: int
    ) -> Mapping[str, Choice]:
        """Look for the cheapest option of each layer that keeps enough."""
        reason = f"keeping {self.share:.0%} of its energy would cost no less than the layer does"
        return {one.path: self._cheapest(one) or (reason if one.options else _NOTHING_PAYS) for one in candidates}

    def _cheapest(self, one: Candidate) -> Option | None:
        def is_enough(ranks: Ranks) -> bool:
            return one.decomposition.loss(ranks) <= 1 - self.share

        if any(len(option.ranks) > 1 for option in one.options):  # two ranks are in no order
            return next((option for option in one.options if is_enough(option.ranks)), None)
        # A higher rank keeps more, so a few tell of all: to CP each is a search of its own.
        ranks = sorted(option.ranks for option in one.options)
        enough = set(ranks[bisect_left(ranks, x=True, key=is_enough) :])
        return next((option for option in one.options if option.ranks in enough), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vbmf(RankRule):
    """The ranks that stand out of the weights' noise, found without any setting.

    Source:
        Nakajima et al. 2013, JMLR 14; Kim et al. 2016, arXiv:1511.06530, section 3.2.
    """

    def choose(
        self, candidates: Sequence[Candidate], network: float, objective: Objective, multiple_of: int
    ) -> Mapping[str, Choice]:
        """Round up what variational Bayes finds; a layer that would cost more stays."""
        found: dict[str, Choice] = {}
        for one in candidates:
            ranks = one.decomposition.vbmf(multiple_of)
            if ranks is None:
                raise SettingError(
                    "variational Bayes gives no rank for CP", where="Vbmf", fix="choose another method, or Energy()"
                )
            option = option_of(one.kinds, one.decomposition, ranks, objective)
            text = f"its rank, {' and '.join(map(str, ranks))}, would cost no less than the layer does"
            found[one.path] = option if option and option.cost < one.cost else text
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class CostShare(RankRule):
    """The ranks by which the network costs a share of what it did and the layers lose least.

    Again and again that layer's rank is lowered that loses least energy for what is saved.

    Args:
        keep: Share of the objective that stays, for the whole network, in (0, 1).

    Raises:
        SettingError: `keep` is out of its range; or, when used, cannot be reached.
    """

    keep: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.keep < 1:
            raise SettingError(f"keep is {self.keep}", where="CostShare", fix="choose a value in (0, 1)")

    def choose(
        self, candidates: Sequence[Candidate], network: float, objective: Objective, multiple_of: int
    ) -> Mapping[str, Choice]:
        """Lower one layer after another."""
        costs = {one.path: (one.cost, 0.0) for one in candidates}
        chosen: dict[str, Choice] = {
            one.path: "the network loses less by the others" if one.options else _NOTHING_PAYS for one in candidates
        }
        budget, left = self.keep * network, network
        while left > budget * (1 + 1e-9):
            best: tuple[float, str, Option, float] | None = None
            for one in candidates:
                cost, lost = costs[one.path]
                for option in one.options:
                    if option.cost < cost:
                        loss = one.decomposition.loss(option.ranks)
                        # What is saved beyond the budget is worth nothing.
                        price = max(0.0, loss - lost) / min(cost - option.cost, left - budget)
                        if best is None or (price, one.path) < best[:2]:
                            best = (price, one.path, option, loss)
            if best is None:
                raise SettingError(
                    f"keep is {self.keep} and {left / network:.2f} stays at the lowest ranks",
                    where="CostShare",
                    fix="raise keep, lower multiple_of, or skip less",
                )
            _, path, option, loss = best
            left -= costs[path][0] - option.cost
            costs[path], chosen[path] = (option.cost, loss), option
        return chosen
