"""What a search may choose from, and the recipe of each choice."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lissome.core.errors import SettingError
from lissome.core.names import choose
from lissome.core.recipe import Recipe
from lissome.core.step import Step
from lissome.profiling.latency_table import LatencyTable
from lissome.tuning.trials.effort import CALM, Effort
from lissome.tuning.trials.facts import Facts, Inquiry
from lissome.tuning.trials.moves import Move, default_moves
from lissome.tuning.trials.numbers import NUMBERS
from lissome.tuning.trials.trial import Choice

Parameters = Mapping[str, Choice]

NUMBERS_NAME, FLOAT_WAY, INTEGER_WAY = "numbers", "way", "integer way"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpace:
    """What a search may choose from: cuts, numbers, and ways to run the network.

    Args:
        moves: What can be done to the structure, in this order, exact ones last; () leaves it. Where all are exact,
            nothing is trained.
        numbers: Names of `NUMBERS`.
        ways: At most so many engine × precision × graph × option of each kind, the quickest ones, ≥ 1.
        objective: What cuts save: "measured" times the layers in the quickest way first (int8 where that is), "macs"
            counts multiply-adds, and a table of `measure_layers` is taken as it is.
        learning_rate: Of recoveries, > 0.

    Raises:
        SettingError: A number is out of its range, nothing can be chosen, or two moves have one name.
        UnknownNameError: Numbers that do not exist.

    Example:
        >>> SearchSpace(moves=(), numbers=("float32", "int8")).moves
        ()
    """

    moves: tuple[Move, ...] = field(default_factory=default_moves)
    numbers: tuple[str, ...] = ("float32", "int8", "int8 equalized", "int8 rounded", "int8 where it pays")
    ways: int = 3
    objective: Literal["measured", "macs"] | LatencyTable = "measured"
    learning_rate: float = CALM

    def __post_init__(self) -> None:
        for one in self.numbers:
            choose(NUMBERS, one, "way to write numbers")
        names = [one.name for one in self.moves]
        if not self.numbers or len(set(self.numbers)) < len(self.numbers):
            raise SettingError(f"numbers is {self.numbers}", where="SearchSpace", fix="name each once, at least one")
        if len(set(names)) < len(names) or {NUMBERS_NAME, FLOAT_WAY, INTEGER_WAY} & set(names):
            raise SettingError(f"moves are called {names}", where="SearchSpace", fix="give each a name of its own")
        if self.ways < 1 or not self.learning_rate > 0:
            raise SettingError(
                f"ways is {self.ways}, learning_rate {self.learning_rate}",
                where="SearchSpace",
                fix="choose ways ≥ 1, learning_rate > 0",
            )
        if not isinstance(self.objective, LatencyTable) and self.objective not in ("measured", "macs"):
            raise SettingError(
                f"objective is {self.objective!r}", where="SearchSpace", fix='choose "measured", "macs" or a table'
            )

    @property
    def trains(self) -> bool:
        """Whether a move changes what the network computes, so that it must recover."""
        return any(not one.is_exact for one in self.moves)

    @property
    def inquiry(self) -> Inquiry:
        """What its moves must know of a network."""
        return Inquiry(
            scan=next((scan for one in self.moves if (scan := one.scan())), None),
            factors=[step for one in self.moves for step in one.factors()],
            objective=self.objective,
            trains=self.trains,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A space for one network on its engines.

    Args:
        space: The space.
        facts: What moves must know.
        float_ways: Labels of the ways to run it in floats, the quickest first.
        integer_ways: Those in integers; none where no engine can.
    """

    space: SearchSpace
    facts: Facts
    float_ways: tuple[str, ...]
    integer_ways: tuple[str, ...]

    def choices(self) -> dict[str, tuple[Choice, ...]]:
        """Return what each parameter can be; one that can be but one thing is left out."""
        table: dict[str, tuple[Choice, ...]] = {one.name: one.choices(self.facts) for one in self.space.moves}
        table[NUMBERS_NAME] = self.numbers()
        table[FLOAT_WAY], table[INTEGER_WAY] = self.float_ways, self.integer_ways
        return {name: values for name, values in table.items() if len(values) > 1}

    def numbers(self) -> tuple[str, ...]:
        """Return the numbers that some way can be run in."""
        return tuple(
            one for one in self.space.numbers if (self.integer_ways if NUMBERS[one].integers else self.float_ways)
        )

    def is_asked(self, name: str, parameters: Parameters) -> bool:
        """Tell whether a parameter matters beside those chosen before it."""
        excluding = (one for one in self.space.moves if name in one.excludes)
        if any(self._choice(one, parameters) is not None for one in excluding):
            return False
        integers = NUMBERS[self.number_of(parameters)].integers if name in (FLOAT_WAY, INTEGER_WAY) else False
        return name not in (FLOAT_WAY, INTEGER_WAY) or (name == INTEGER_WAY) == integers

    def number_of(self, parameters: Parameters) -> str:
        """Return which numbers are chosen."""
        return str(parameters.get(NUMBERS_NAME, self.numbers()[0]))

    def way_of(self, parameters: Parameters) -> str:
        """Return the label of the way that is chosen."""
        integers = NUMBERS[self.number_of(parameters)].integers
        name, ways = (INTEGER_WAY, self.integer_ways) if integers else (FLOAT_WAY, self.float_ways)
        return str(parameters.get(name, ways[0]))

    def cuts(self, parameters: Parameters) -> tuple[Step, ...]:
        """Return the steps that change the structure and what it computes."""
        return self._steps(parameters, is_exact=False)

    def _steps(self, parameters: Parameters, *, is_exact: bool) -> tuple[Step, ...]:
        found: list[Step] = []
        for move in self.space.moves:
            choice = self._choice(move, parameters)
            if choice is not None and move.is_exact == is_exact:
                found += move.steps(choice, self.facts)
        return tuple(found)

    def _has_hints(self, parameters: Parameters) -> bool:
        """Tell whether what stays has the original's maps to be compared with."""
        done = [one for one in self.space.moves if not one.is_exact and self._choice(one, parameters) is not None]
        return self.facts.maps and all(one.keeps_maps for one in done)

    def _choice(self, move: Move, parameters: Parameters) -> Choice | None:
        """Return what a move is to do, or None for nothing."""
        neutral = move.choices(self.facts)[0]
        choice = parameters.get(move.name, neutral)
        return None if choice == neutral else choice

    def recipe(self, parameters: Parameters, effort: Effort | None) -> Recipe:
        """Return the recipe of a choice.

        Args:
            parameters: What was chosen.
            effort: The recovery, where the structure changes; None leaves it out.
        """
        cuts = self.cuts(parameters)
        recovery = effort.steps(hints=self._has_hints(parameters)) if cuts and effort else ()
        exact = self._steps(parameters, is_exact=True)
        return Recipe(*cuts, *recovery, *exact, *NUMBERS[self.number_of(parameters)].steps)

    def combinations(self) -> Iterator[dict[str, Choice]]:
        """Yield everything that can be chosen, each once."""
        table = self.choices()
        seen = set()
        for values in itertools.product(*table.values()):
            every = dict(zip(table, values, strict=True))
            one = {name: value for name, value in every.items() if self.is_asked(name, every)}
            key = tuple(one.items())
            if key not in seen:
                seen.add(key)
                yield one

    def neighbours(self, parameters: Parameters) -> Iterator[dict[str, Choice]]:
        """Yield the choices that differ in one parameter by one place, those one further first.

        Args:
            parameters: One choice.
        """
        for step in (1, -1):
            for name, values in self.choices().items():
                place = values.index(parameters[name]) + step if name in parameters else -1
                if 0 <= place < len(values):
                    yield self.asked({**parameters, name: values[place]})

    def first(self) -> Sequence[dict[str, Choice]]:
        """Return what every search tries first: the network as it is in each kind of numbers, then single cuts."""
        table = self.choices()
        neutral = {name: values[0] for name, values in table.items() if name != INTEGER_WAY}
        alone = [{**neutral, NUMBERS_NAME: one} for one in table.get(NUMBERS_NAME, ())] or [neutral]
        last = {NUMBERS_NAME: alone[-1].get(NUMBERS_NAME, self.numbers()[0])}
        for one in alone:
            if NUMBERS[self.number_of(one)].integers:
                last = {NUMBERS_NAME: one[NUMBERS_NAME]} if NUMBERS_NAME in one else {}
                break
        cuts = [
            {**neutral, **last, move.name: choices[len(choices) // 2]}
            for move in self.space.moves
            if len(choices := move.choices(self.facts)) > 1
        ]
        return [self.asked(one) for one in (*alone, *cuts)]

    def asked(self, parameters: Parameters) -> dict[str, Choice]:
        """Return a choice without what does not matter in it, and with what is not said left as it is."""
        table = self.choices()
        every = {name: parameters.get(name, values[0]) for name, values in table.items()}
        return {name: value for name, value in every.items() if self.is_asked(name, every)}
