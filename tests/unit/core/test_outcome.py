import json

from torch import nn

from lissome.core.outcome import Note, Outcome


def _recipe_outcome():
    model = nn.ReLU()
    first = Outcome(
        model=model,
        step="First",
        notes=(Note("conv1", "cut to 8"), Note("conv2", "reaches the output", applied=False)),
        measurements={"kept": 0.123456, "layers": 3},
        seconds=1.26,
    )
    second = Outcome(model=model, step="Second", notes=(Note("", "nothing to do", applied=False),))
    inner = Outcome(model=model, step="Recipe", parts=(second,))
    return Outcome(model=model, step="Recipe", parts=(first, inner), seconds=1.26)


def test_walk_yields_single_steps_in_order_through_nested_recipes():
    assert [one.step for one in _recipe_outcome().walk()] == ["First", "Second"]


def test_a_single_step_is_its_own_walk():
    outcome = Outcome(model=nn.ReLU(), step="First")
    assert list(outcome.walk()) == [outcome]


def test_declined_gathers_refusals_of_all_steps():
    assert [note.layer for note in _recipe_outcome().declined] == ["conv2", ""]


def test_it_prints_each_step_with_figures_and_notes():
    assert str(_recipe_outcome()).splitlines() == [
        "First (1.3 s): kept 0.1235, layers 3",
        "  applied conv1: cut to 8",
        "  declined conv2: reaches the output",
        "Second (0.0 s)",
        "  declined (network): nothing to do",
    ]


def test_the_receipt_is_json():
    receipt = json.loads(json.dumps(_recipe_outcome().to_dict()))
    assert receipt["parts"][0]["notes"][1] == {"layer": "conv2", "reason": "reaches the output", "applied": False}
    assert receipt["parts"][0]["measurements"] == {"kept": 0.123456, "layers": 3}
    assert receipt["parts"][1]["parts"][0]["step"] == "Second"
