from dataclasses import dataclass
from typing import ClassVar

import pytest

from lissome.compression.folding.fold_batch_norm import FoldBatchNorm
from lissome.core.errors import SettingError, UnknownNameError
from lissome.tuning.trials.effort import Effort
from lissome.tuning.trials.moves import MOVES, Facts, Move, NarrowChannels, RemoveBlocks
from lissome.tuning.trials.numbers import NUMBERS
from lissome.tuning.trials.space import Options, SearchSpace

FACTS = Facts(blocks=8, objective="macs")


def options(space=None, integer_ways=("ort int8", "ort int8, optimized")):
    return Options(space=space or SearchSpace(), facts=FACTS, float_ways=("ort float32",), integer_ways=integer_ways)


def kinds(recipe):
    return [type(one).__name__ for one in recipe.steps]


def test_a_recipe_cuts_recovers_and_rounds_in_this_order():
    recipe = options().recipe({"blocks": 2, "channels": 0.7, "numbers": "int8"}, Effort(epochs=1, images=64))
    assert kinds(recipe) == ["PruneBlocks", "PruneBlocks", "PruneChannels", "RecalibrateBatchNorm", "Train", "Quantize"]
    assert recipe.steps[4].images == 64
    assert recipe.steps[4].teacher == "original"


def test_a_network_that_is_not_cut_is_not_trained():
    assert kinds(options().recipe({"blocks": 0, "channels": 1.0, "numbers": "int8"}, Effort(epochs=3))) == ["Quantize"]
    assert kinds(options().recipe({"numbers": "float32"}, Effort(epochs=3))) == []


def test_only_ways_of_the_chosen_numbers_are_asked():
    every = list(options().combinations())
    assert all(("integer way" in one) == NUMBERS[one["numbers"]].integers for one in every)
    assert len({tuple(one.items()) for one in every}) == len(every) == 5 * 5 * (1 + 3 * 2)
    assert options().way_of({"numbers": "int8", "integer way": "ort int8, optimized"}) == "ort int8, optimized"
    assert options().way_of({"numbers": "float32"}) == "ort float32"


def test_without_an_engine_for_integers_they_are_not_chosen():
    assert options(integer_ways=()).numbers() == ("float32",)


def test_what_is_tried_first_is_part_of_the_space():
    first, every = options().first(), list(options().combinations())
    assert all(one in every for one in first)
    assert {one["numbers"] for one in first} == set(SearchSpace().numbers)
    assert {(one["blocks"] > 0, one["channels"] < 1) for one in first} == {(False, False), (True, False), (False, True)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold(Move):
    """A move of the user's own."""

    name: ClassVar[str] = "fold"

    def choices(self, facts):
        return ("no", "yes")

    def steps(self, choice, facts):
        return (FoldBatchNorm(),)


def test_a_move_of_the_users_own_joins():
    mine = options(SearchSpace(moves=(RemoveBlocks(), Fold())))
    assert mine.choices()["fold"] == ("no", "yes")
    assert kinds(mine.recipe({"fold": "yes"}, None)) == ["FoldBatchNorm"]


@pytest.mark.parametrize("name", MOVES)
def test_the_first_choice_of_a_move_leaves_the_network(name):
    move = MOVES[name]()
    choices = move.choices(FACTS)
    assert move.name == name
    assert len(set(choices)) == len(choices) > 1
    assert choices[0] in (0, 1.0)
    assert all(move.steps(one, FACTS) for one in choices[1:])


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: SearchSpace(numbers=("int9",)), UnknownNameError),
        (lambda: SearchSpace(numbers=()), SettingError),
        (lambda: SearchSpace(moves=(RemoveBlocks(), RemoveBlocks())), SettingError),
        (lambda: SearchSpace(ways=0), SettingError),
        (lambda: SearchSpace(objective="time"), SettingError),
        (lambda: NarrowChannels(keeps=(0.0,)), SettingError),
        (lambda: RemoveBlocks(shares=()), SettingError),
    ],
)
def test_what_cannot_be_searched_is_refused(make, error):
    with pytest.raises(error):
        make()
