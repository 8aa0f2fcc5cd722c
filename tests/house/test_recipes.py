"""The recipes of `recipes/` are read, say what they are for, and do what they say to a small network."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import tomli_w
import torch

import lissome as ls

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_read_written_and_read_again(path):
    text = path.read_text(encoding="utf-8")
    recipe = ls.recipe_from_toml(text)
    assert ls.recipe_from_toml(ls.recipe_to_toml(recipe)) == recipe
    assert text.startswith("# ")
    assert f"--recipe recipes/{path.name} " in text


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_its_steps_without_training_change_a_small_residual_network(path):
    steps = [one for one in tomllib.loads(path.read_text(encoding="utf-8"))["steps"] if one["kind"] != "Train"]
    for one in steps:
        one.pop("fine_tune", None)
        one.update({name: 32 for name in ("images", "reconstruct") if name in one})
    model = ls.create("resnet56" if "blocks" in path.stem else "resnet20", seed=0).eval()
    generator = np.random.default_rng(0)
    images, labels = generator.integers(0, 256, (64, 32, 32, 3), np.uint8), np.arange(64) % 10
    task = ls.Task.from_arrays(images, labels, images, labels)
    recipe = ls.recipe_from_toml(tomli_w.dumps({"steps": steps}))
    outcome = recipe.apply(model, ls.Context(task, seed=0, original=model))
    assert any(note.applied for one in outcome.walk() for note in one.notes)
    with torch.no_grad():
        found = outcome.model.eval()(torch.zeros(2, 3, 32, 32))
    assert found.shape == (2, 10)
    assert found.isfinite().all()
