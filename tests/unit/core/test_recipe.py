from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.preprocessing import Preprocessing
from lissome.core.recipe import Recipe
from lissome.core.run_directory import RunDirectory
from lissome.core.step import Change, Step

worked = []
"""Which steps did work, in order; a step taken from a memory does not."""


@pytest.fixture(autouse=True)
def _nobody_has_worked():
    worked.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Step):
    """Add a number, and noise of the context's seed, to all weights."""

    number: float
    noise: bool = False

    def change(self, model, context):
        worked.append(self.number)
        generator = context.generator("noise")
        for parameter in model.parameters():
            parameter.data += self.number
            if self.noise:
                parameter.data += torch.rand(parameter.shape, generator=generator)
        return Change(model, measurements={"added": self.number})


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted(Step):
    """Fail as if the user had pressed Ctrl-C."""

    def change(self, model, context):
        raise KeyboardInterrupt


@dataclass(frozen=True, slots=True, kw_only=True)
class Distil(Step):
    """Take the original's weights."""

    def requires(self):
        return (Need.ORIGINAL,)

    def change(self, model, context):
        model.load_state_dict(context.require_original().state_dict())
        return Change(model)


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsData(Step):
    """Need a task."""

    def requires(self):
        return (Need.TASK,)

    def change(self, model, context):
        return Change(model)


class Images:
    def __init__(self, value, number=4):
        self.value, self.number = value, number

    def __len__(self):
        return self.number

    def batches(self, batch_size, *, generator=None, transform=None, limit=None):
        yield torch.full((2, 3, 8, 8), self.value), torch.zeros(2, dtype=torch.int64)


class Task:
    def __init__(self, value=0.0, number=4):
        self.train, self.validation, self.test = Images(value, number), Images(1.0), Images(2.0)

    classes = 2
    preprocessing = Preprocessing(channels=3, height=8, width=8)


class Watcher:
    def __init__(self):
        self.heard = []

    def advance(self, task, done, total):
        pass

    def say(self, message):
        self.heard.append(message)


def _network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))


def _state(model):
    return {name: tensor.tolist() for name, tensor in model.state_dict().items()}


def _two_and_an_interruption(model, run, **context):
    with pytest.raises(KeyboardInterrupt):
        Recipe(Add(number=1.0, noise=True), Add(number=2.0), Interrupted()).apply(model, Context(memory=run, **context))
    assert worked == [1.0, 2.0]
    worked.clear()


def test_steps_work_in_order_on_each_other_and_leave_the_input():
    model = _network()
    before = _state(model)
    outcome = Recipe(Add(number=1.0), Recipe(Add(number=2.0), Add(number=3.0))).apply(model, Context())
    assert worked == [1.0, 2.0, 3.0]
    assert _state(model) == before
    assert torch.allclose(outcome.model[0].bias, model[0].bias + 6)
    assert [one.measurements["added"] for one in outcome.walk()] == [1.0, 2.0, 3.0]
    assert outcome.seconds == pytest.approx(sum(one.seconds for one in outcome.walk()))


def test_needs_of_all_steps_are_checked_before_the_first_works():
    with pytest.raises(SettingError, match="training data"):
        Recipe(Add(number=1.0), Recipe(NeedsData())).apply(_network(), Context())
    assert worked == []


def test_a_recipe_provides_the_original():
    model = _network()
    outcome = Recipe(Add(number=1.0), Distil()).apply(model, Context())
    assert _state(outcome.model) == _state(model)


def test_an_original_that_is_given_stays():
    model, other = _network(), nn.Sequential(*_network())
    other[0].bias.data.fill_(9.0)
    outcome = Recipe(Distil()).apply(model, Context(original=other))
    assert outcome.model[0].bias.tolist() == [9.0] * 4


def test_an_interrupted_run_goes_on_from_the_last_finished_step(tmp_path):
    model = _network()
    recipe = Recipe(Add(number=1.0, noise=True), Add(number=2.0), Add(number=3.0, noise=True))
    with RunDirectory(tmp_path / "whole") as run:
        whole = recipe.apply(model, Context(memory=run))
    worked.clear()
    watcher = Watcher()
    with RunDirectory(tmp_path / "broken") as run:
        _two_and_an_interruption(model, run)
    with RunDirectory(tmp_path / "broken") as run:
        resumed = recipe.apply(model, Context(memory=run, progress=watcher))
    assert worked == [3.0]
    assert _state(resumed.model) == _state(whole.model)
    assert [one.measurements for one in resumed.walk()] == [{"added": 1.0}, {"added": 2.0}, {"added": 3.0}]
    assert watcher.heard.count("  kept from an earlier run") == 2


def test_an_interrupted_inner_recipe_goes_on_too(tmp_path):
    first, second = Add(number=1.0), Add(number=2.0)
    with RunDirectory(tmp_path) as run:
        with pytest.raises(KeyboardInterrupt):
            Recipe(first, Recipe(second, Interrupted())).apply(_network(), Context(memory=run))
        worked.clear()
        Recipe(first, Recipe(second, Add(number=3.0))).apply(_network(), Context(memory=run))
    assert worked == [3.0]


def test_a_changed_setting_repeats_its_step_and_those_after_it(tmp_path):
    with RunDirectory(tmp_path) as run:
        _two_and_an_interruption(_network(), run)
        Recipe(Add(number=1.0, noise=True), Add(number=5.0), Add(number=2.0)).apply(_network(), Context(memory=run))
    assert worked == [5.0, 2.0]


def _other_weights():
    model = _network()
    model[0].bias.data += 1
    return model


@pytest.mark.parametrize(
    ("model", "change", "repeats"),
    [
        (_network, {}, False),
        (_other_weights, {}, True),
        (_network, {"seed": 1}, True),
        (_network, {"example": torch.zeros(2, 3, 8, 8)}, True),
        (_network, {"example": (torch.zeros(1, 3, 8, 8),)}, False),
        (_network, {"original": nn.ReLU()}, True),
        (_network, {"task": Task()}, False),
        (_network, {"task": Task(value=0.5)}, True),
        (_network, {"task": Task(number=5)}, True),
    ],
)
def test_what_results_depend_on_decides_what_is_repeated(tmp_path, model, change, repeats):
    context = Context(Task(), example=torch.zeros(1, 3, 8, 8))
    recipe = Recipe(Add(number=1.0))
    with RunDirectory(tmp_path) as run:
        recipe.apply(_network(), replace(context, memory=run))
        recipe.apply(model(), replace(context, memory=run, **change))
    assert worked == ([1.0, 1.0] if repeats else [1.0])


class Untraceable(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def forward(self, x):
        return self.linear(x) if x.sum() > 0 else x


def test_a_model_that_cannot_be_kept_is_said_and_its_step_repeated(tmp_path):
    watcher = Watcher()
    with RunDirectory(tmp_path) as run:
        context = Context(memory=run, progress=watcher)
        for _ in range(2):
            outcome = Recipe(Add(number=1.0)).apply(Untraceable(), context)
    assert worked == [1.0, 1.0]
    assert isinstance(outcome.model, Untraceable)
    assert watcher.heard.count("  cannot be kept; a resumed run repeats it") == 2
