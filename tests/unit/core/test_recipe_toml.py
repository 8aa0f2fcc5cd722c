import tomllib
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lissome.core.errors import BadRecipeError, LissomeError, SettingError, UnknownNameError
from lissome.core.recipe import Recipe
from lissome.core.recipe_toml import recipe_from_toml, recipe_to_toml
from lissome.core.step import Change, Step


class Score:
    """What channels are judged by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm(Score):
    """A norm of the weights."""

    power: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut(Step):
    """A step with settings of all sorts."""

    keep: float = 1.0
    score: Score = field(default_factory=Norm)
    layers: tuple[str, ...] = ()
    multiple_of: int | None = 8
    scope: Literal["local", "global"] = "local"
    exact: bool = False
    teacher: nn.Module | Literal["original"] | None = None

    def __post_init__(self):
        if not 0 < self.keep <= 1:
            raise SettingError(f"keep is {self.keep}", where="Cut", fix="choose a value in (0, 1]")

    def change(self, model, context):
        return Change(model)


KINDS = {one.__name__: f"{__name__}:{one.__name__}" for one in (Cut, Norm)}


@pytest.fixture(autouse=True)
def _kinds_can_be_loaded(monkeypatch):
    monkeypatch.setattr("lissome.core.recipe_toml.load_attribute", lambda path: globals()[path.partition(":")[2]])


cuts = st.builds(
    Cut,
    keep=st.floats(0, 1, exclude_min=True),
    score=st.builds(Norm, power=st.integers(1, 4)),
    layers=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    multiple_of=st.sampled_from([None, 1, 8]),
    scope=st.sampled_from(["local", "global"]),
    exact=st.booleans(),
    teacher=st.sampled_from([None, "original"]),
)
recipes = st.recursive(cuts, lambda step: st.lists(step, max_size=3).map(lambda steps: Recipe(*steps)), max_leaves=6)


@given(recipes)
def test_round_trip(step):
    recipe = step if isinstance(step, Recipe) else Recipe(step)
    assert recipe_from_toml(recipe_to_toml(step), KINDS) == recipe


def test_defaults_are_not_written():
    assert recipe_to_toml(Cut(keep=0.5)) == '[[steps]]\nkind = "Cut"\nkeep = 0.5\n'


def test_none_is_written_where_it_is_not_the_default():
    assert recipe_to_toml(Cut(multiple_of=None)) == '[[steps]]\nkind = "Cut"\nmultiple_of = "none"\n'


def test_a_person_may_write_a_whole_number_for_a_fraction():
    (step,) = recipe_from_toml('[[steps]]\nkind = "Cut"\nkeep = 1', KINDS).steps
    assert step == Cut(keep=1.0)


def test_a_module_cannot_be_written():
    with pytest.raises(BadRecipeError, match=r'teacher: a ReLU cannot be written to TOML; use teacher="original"'):
        recipe_to_toml(Cut(teacher=nn.ReLU()))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("= 1", BadRecipeError, "recipe: is not TOML"),
        ("", BadRecipeError, "recipe: has no steps"),
        ("steps = 1", BadRecipeError, "recipe: has no steps"),
        ("steps = [1]", BadRecipeError, "recipe step 1: int is no step"),
        ('[[step]]\nkind = "Cut"', BadRecipeError, "recipe: unknown table 'step'; write one"),
        ("[[steps]]\nkeep = 1.0", BadRecipeError, "recipe step 1: a table has no kind"),
        ('[[steps]]\nkind = "Cat"', UnknownNameError, "'Cat'; did you mean 'Cut'?"),
        ('[[steps]]\nkind = "Cut"\nkep = 1.0', UnknownNameError, "'kep'; did you mean 'keep'"),
        ('[[steps]]\nkind = "Cut"\nkeep = "0.5"', BadRecipeError, r"recipe step 1 \(Cut\): keep: .*number"),
        ('[[steps]]\nkind = "Cut"\nmultiple_of = 8.5', BadRecipeError, r"recipe step 1 \(Cut\): multiple_of"),
        ('[[steps]]\nkind = "Cut"\nexact = 1', BadRecipeError, r"recipe step 1 \(Cut\): exact: .*boolean"),
        ('[[steps]]\nkind = "Cut"\nscope = "all"', BadRecipeError, "scope: .*'local' or 'global'"),
        ('[[steps]]\nkind = "Cut"\nlayers = [1]', BadRecipeError, "layers"),
        ('[[steps]]\nkind = "Cut"\nkeep = 2.0', BadRecipeError, r"recipe step 1 \(Cut\): Cut: keep is 2.0; choose"),
        ('[[steps]]\nkind = "Cut"\nscore = {kind = "Norm", power = "a"}', BadRecipeError, r"step 1 \(Norm\): power"),
        ('[[steps]]\nkind = "Cut"\nscore = {kind = "Cut"}', BadRecipeError, "score: .*Score"),
        ('[[steps]]\nkind = "Cut"\n[[steps]]\nkind = "Norm"', BadRecipeError, "recipe step 2: Norm is no step"),
        ('[[steps]]\nkind = "Recipe"\nsteps = 5', BadRecipeError, "recipe step 1: has no steps"),
        ('[[steps]]\nkind = "Recipe"\nsteps = [{kind = "Norm"}]', BadRecipeError, "recipe step 1 step 1: Norm is no"),
        ('[[steps]]\nkind = "Recipe"\nsteps = []\nkeep = 1', BadRecipeError, "recipe step 1: unknown table 'keep'"),
    ],
)
def test_mistakes_are_one_line_with_the_place(text, error, message):
    with pytest.raises(error, match=message) as caught:
        recipe_from_toml(text, KINDS)
    assert isinstance(caught.value, LissomeError)
    assert "\n" not in str(caught.value)


def test_what_is_written_is_toml():
    assert tomllib.loads(recipe_to_toml(Recipe(Cut(), Cut(exact=True)))) == {
        "steps": [{"kind": "Cut"}, {"kind": "Cut", "exact": True}]
    }
