from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from lissome.compression.folding.fold_batch_norm import FoldBatchNorm
from lissome.core.errors import SettingError, UnknownNameError
from lissome.tuning.trials.effort import Effort
from lissome.tuning.trials.facts import Facts
from lissome.tuning.trials.moves import (
    MOVES,
    FactorizeLayers,
    FoldParallel,
    Move,
    NarrowChannels,
    NarrowGroups,
    RemoveBlocks,
)
from lissome.tuning.trials.numbers import NUMBERS
from lissome.tuning.trials.space import Options, SearchSpace

PLAIN = Facts(blocks=8, large_blocks=tuple("abcdefgh"), objective="macs")
SCAN = {
    "base": 0.9,
    "keep": [0.25, 0.5, 0.75],
    "groups": [
        {"name": "bears", "channels": 32, "metric": [0.7, 0.89, 0.9]},
        {"name": "bears little", "channels": 32, "metric": [0.5, 0.6, 0.86]},
        {"name": "bears nothing", "channels": 32, "metric": [0.9, 0.9, 0.1]},
        {"name": "small", "channels": 8, "metric": [0.9, 0.9, 0.9]},
    ],
}
FACTS = Facts(blocks=8, branches=3, splits=("convolutions", "fully connected"), sensitivity=SCAN, objective="macs")


def options(space=None, integer_ways=("ort int8", "ort int8, optimized"), facts=PLAIN):
    return Options(space=space or SearchSpace(), facts=facts, float_ways=("ort float32",), integer_ways=integer_ways)


def kinds(recipe):
    return [type(one).__name__ for one in recipe.steps]


def test_a_recipe_cuts_recovers_and_rounds_in_this_order():
    recipe = options().recipe({"blocks": 2, "channels": 0.7, "numbers": "int8"}, Effort(epochs=1, images=64))
    cuts = ["PruneBlocks", "PruneBlocks", "PruneChannels"]
    assert kinds(recipe) == [*cuts, "RecalibrateBatchNorm", "Train", "Quantize", "CorrectBias"]
    assert recipe.steps[4].images == 64
    assert recipe.steps[4].teacher == "original"


def test_a_network_that_is_not_cut_is_not_trained():
    uncut = options().recipe({"blocks": 0, "channels": 1.0, "numbers": "int8"}, Effort(epochs=3))
    assert kinds(uncut) == ["Quantize", "CorrectBias"]
    assert kinds(options().recipe({"numbers": "float32"}, Effort(epochs=3))) == []


def test_where_only_blocks_went_the_maps_are_compared_in_the_recovery():
    table = options(facts=replace(PLAIN, maps=True))
    taught = {
        name: [type(one).__name__ for one in table.recipe(choice, Effort(epochs=1)).steps[-1].transfers]
        for name, choice in {
            "blocks": {"blocks": 2, "numbers": "float32"},
            "both": {"blocks": 2, "channels": 0.7, "numbers": "float32"},
        }.items()
    }
    assert taught == {"blocks": ["SoftTargets", "FeatureHints"], "both": []}
    assert options().recipe({"blocks": 2}, Effort(epochs=1)).steps[-1].transfers == ()


def test_only_ways_of_the_chosen_numbers_are_asked():
    every = list(options().combinations())
    assert all(("integer way" in one) == NUMBERS[one["numbers"]].integers for one in every)
    assert len({tuple(one.items()) for one in every}) == len(every) == 6 * 5 * (1 + 4 * 2)
    assert options().way_of({"numbers": "int8", "integer way": "ort int8, optimized"}) == "ort int8, optimized"
    assert options().way_of({"numbers": "float32"}) == "ort float32"


def test_without_an_engine_for_integers_they_are_not_chosen():
    assert options(integer_ways=()).numbers() == ("float32",)


def test_what_is_tried_first_is_part_of_the_space():
    first, every = options().first(), list(options().combinations())
    assert all(one in every for one in first)
    assert {one["numbers"] for one in first} == set(SearchSpace().numbers)
    assert {(one["blocks"] > 0, one["channels"] < 1) for one in first} == {(False, False), (True, False), (False, True)}


def test_neighbours_differ_in_one_place_and_belong_to_the_space():
    table = options()
    every = list(table.combinations())
    one = table.asked({"blocks": 2, "numbers": "int8"})
    found = list(table.neighbours(one))
    assert all(other in every for other in found)
    assert [other["blocks"] for other in found if other["numbers"] == "int8" and other["channels"] == 1.0][:1] == [3]
    assert {**one, "blocks": 1} in found
    assert {**one, "blocks": 4} not in found
    assert {"blocks": 2, "channels": 1.0, "numbers": "float32"} in found


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


def test_each_group_is_narrowed_as_far_as_it_bears():
    move = NarrowGroups(drops=(0.02, 0.05, 0.051))
    assert move.choices(FACTS) == (0.0, 0.02, 0.05)  # the last one cuts no more than the one before
    (calm,), (bold,) = move.steps(0.02, FACTS), move.steps(0.05, FACTS)
    assert calm.keep_of == {"bears": 0.5}
    assert bold.keep_of == {"bears": 0.5, "bears little": 0.75}
    assert (calm.keep, calm.multiple_of) == (1.0, 8)
    assert NarrowGroups().choices(PLAIN) == (0.0,)


def test_where_groups_are_narrowed_one_by_one_no_share_of_the_whole_is_asked():
    every = list(options(facts=FACTS).combinations())
    assert all(("channels" in one) == (one["groups"] == 0.0) for one in every)
    assert len({tuple(sorted(one.items())) for one in every}) == len(every)


def test_factorizations_are_choices_where_such_layers_hold_enough():
    move = FactorizeLayers()
    assert move.choices(FACTS) == ("whole", "spatial", "tucker", "fully connected")
    assert move.choices(PLAIN) == ("whole",)
    assert [type(one).__name__ for one in move.factors()] == ["FactorizeConvs", "FactorizeConvs", "FactorizeLinear"]


def test_branches_are_folded_after_the_recovery_and_ask_for_none():
    chosen = options(facts=FACTS)
    recipe = chosen.recipe({"channels": 0.7, "branches": "folded", "numbers": "int8"}, Effort(epochs=1))
    assert kinds(recipe) == [
        "PruneChannels",
        "RecalibrateBatchNorm",
        "Train",
        "FoldBranches",
        "Quantize",
        "CorrectBias",
    ]
    assert kinds(chosen.recipe({"branches": "folded", "numbers": "float32"}, Effort(epochs=1))) == ["FoldBranches"]
    assert not SearchSpace(moves=(FoldParallel(),)).trains
    assert SearchSpace().trains


@pytest.mark.parametrize("name", MOVES)
def test_the_first_choice_of_a_move_leaves_the_network(name):
    move = MOVES[name]()
    choices = move.choices(FACTS)
    assert move.name == name
    assert len(set(choices)) == len(choices) > 1
    alone = options(SearchSpace(moves=(move,)), facts=FACTS)
    assert kinds(alone.recipe({name: choices[0], "numbers": "float32"}, Effort(epochs=1))) == []
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
        (lambda: NarrowGroups(drops=(1.5,)), SettingError),
        (lambda: FactorizeLayers(keep=0), SettingError),
    ],
)
def test_what_cannot_be_searched_is_refused(make, error):
    with pytest.raises(error):
        make()
