"""One thing that a search can do to a network's structure: choices, the first of which leaves it as it is."""

from abc import ABC, abstractmethod
from typing import ClassVar

from lissome.compression.pruning.sensitivity_scan import SensitivityScan
from lissome.core.errors import SettingError
from lissome.core.step import Step
from lissome.tuning.trials.facts import Factorizing, Facts
from lissome.tuning.trials.trial import Choice


class Move(ABC):
    """One thing that can be done to the structure. Subclasses are frozen dataclasses.

    Attributes:
        name: The name of the parameter that a search chooses.
        is_exact: Whether the network computes the same after it: it is done after the recovery, and asks for none.
        keeps_maps: Whether what stays has the original's maps, channel for channel, so that recoveries compare them.
        excludes: Names of moves further on that are not asked where this one does something.
    """

    __slots__ = ()
    name: ClassVar[str]
    is_exact: ClassVar[bool] = False
    keeps_maps: ClassVar[bool] = False
    excludes: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def choices(self, facts: Facts) -> tuple[Choice, ...]:
        """Return what can be chosen, the first leaving the network as it is."""

    @abstractmethod
    def steps(self, choice: Choice, facts: Facts) -> tuple[Step, ...]:
        """Return the steps of a choice that is not the first."""

    def scan(self) -> SensitivityScan | None:
        """Return the scan whose figures it goes by, or None."""
        return None

    def factors(self) -> tuple[Factorizing, ...]:
        """Return the factorizations it could make, so that their layers are timed."""
        return ()


def check_shares(where: str, shares: tuple[float, ...]) -> None:
    """Refuse what is no share.

    Raises:
        SettingError: It is none, or there are none.
    """
    if not shares or not all(0 < one <= 1 for one in shares):
        raise SettingError(f"is {shares}", where=where, fix="give shares in (0, 1]")
