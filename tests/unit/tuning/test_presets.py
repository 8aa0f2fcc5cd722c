from dataclasses import replace

import pytest

from lissome.tuning import search as module
from lissome.tuning.presets import PRESETS
from lissome.tuning.search import search
from lissome.tuning.trials.numbers import NUMBERS
from lissome.tuning.trials.search_budget import SearchBudget

pytest.importorskip("optuna", reason="optuna is not installed")

OWN = {"mobile": ("ncnn",), "mcu": ("onnxruntime",), "server": ("onnxruntime",), "smallest-file": ("onnxruntime",)}
"""Engines: those of the preset where CI has them and they are light."""


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_finds_a_network_and_measures_it(name, trained, pictures, run_of, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_TABLE_SECONDS", 0.01)
    preset = PRESETS[name]
    budget = SearchBudget(trials=2, finalists=1, short_images=32, full_epochs=1, images=20, seconds=0.02)
    result = search(
        trained,
        pictures,
        limit=replace(preset.limit, max_drop=0.9),
        on=OWN[name],
        space=preset.space,
        budget=budget,
        run=run_of(tmp_path),
    )
    assert [one.reason for one in result.trials if one.failed] == []
    assert result.winner.missed == {}
    assert result.final["stored_kib"] > 0
    assert result.is_reproduced
    goal = result.limit.aim
    assert goal == ("size" if name in ("mcu", "smallest-file") else "latency")


def test_a_microcontroller_without_integers_gets_floats():
    assert any(not NUMBERS[one].integers for one in PRESETS["mcu"].space.numbers)
    assert NUMBERS[PRESETS["mcu"].space.numbers[0]].integers
