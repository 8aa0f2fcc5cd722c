from dataclasses import replace

import pytest

from lissome.core.recipe_toml import recipe_to_toml
from lissome.tables import recipe_from_toml
from lissome.tuning import search as module
from lissome.tuning.presets import PRESETS
from lissome.tuning.search import search
from lissome.tuning.trials.effort import Effort
from lissome.tuning.trials.facts import Facts
from lissome.tuning.trials.numbers import NUMBERS
from lissome.tuning.trials.search_budget import SearchBudget
from lissome.tuning.trials.space import Options

FACTS = Facts(
    blocks=4,
    branches=1,
    splits=("convolutions", "fully connected"),
    sensitivity={
        "base": 0.9,
        "keep": [0.5, 0.75],
        "groups": [
            {"name": "a", "channels": 32, "metric": [0.85, 0.9]},
            {"name": "b", "channels": 32, "metric": [0.89, 0.9]},
        ],
    },
)


@pytest.mark.parametrize("name", PRESETS)
def test_all_that_a_preset_can_choose_has_a_recipe(name):
    options = Options(space=PRESETS[name].space, facts=FACTS, float_ways=("float",), integer_ways=("integers",))
    every = list(options.combinations())
    assert all(one in every for one in options.first())
    assert {move.name for move in PRESETS[name].space.moves} == set(options.choices()) - {"numbers"}
    for one in options.first():
        recipe = options.recipe(one, Effort(epochs=1))
        assert recipe_from_toml(recipe_to_toml(recipe)) == recipe


def test_the_one_for_microcontrollers_finds_a_network_and_measures_it(trained, pictures, run_of, tmp_path, monkeypatch):
    pytest.importorskip("optuna", reason="optuna is not installed")
    monkeypatch.setattr(module, "_TABLE_SECONDS", 0.01)
    preset = PRESETS["mcu"]
    budget = SearchBudget(trials=2, finalists=1, short_images=32, full_epochs=1, images=20, seconds=0.02)
    limit = replace(preset.limit, max_drop=0.9)
    run = run_of(tmp_path)
    result = search(trained, pictures, limit=limit, on=("onnxruntime",), space=preset.space, budget=budget, run=run)
    assert [one.reason for one in result.trials if one.failed] == []
    assert result.winner.missed == {}
    assert result.is_reproduced
    assert min(result.trials, key=lambda one: one.figures["stored_kib"]).number == result.winner.number


def test_a_microcontroller_without_integers_gets_floats():
    space = PRESETS["mcu"].space
    assert NUMBERS[space.numbers[0]].integers
    floats = Options(space=space, facts=FACTS, float_ways=("float",), integer_ways=())
    assert floats.numbers() == ("float32",)
