from dataclasses import dataclass

import pytest
import torch
from torch import nn

from lissome.core.context import Context, Need
from lissome.core.errors import SettingError, WeightsError
from lissome.core.outcome import Note
from lissome.core.step import Change, Step, require_finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill(Step):
    """Fill all weights with a value."""

    value: float = 0.0

    def requires(self):
        return (Need.EXAMPLE,)

    def change(self, model, context):
        for parameter in model.parameters():
            parameter.data.fill_(self.value)
        return Change(model, (Note("", "filled"),), {"sum": 1})


def test_apply_leaves_the_model_and_returns_a_receipt():
    model = nn.Linear(2, 2)
    before = model.weight.clone()
    context = Context(example=torch.zeros(1, 2))
    outcome = Fill(value=3.0).apply(model, context)
    assert torch.equal(model.weight, before)
    assert outcome.model.weight.unique().tolist() == [3.0]
    assert (outcome.step, outcome.settings) == ("Fill", {"kind": "Fill", "value": 3.0})
    assert (outcome.notes, outcome.measurements) == ((Note("", "filled"),), {"sum": 1})
    assert outcome.seconds > 0
    assert outcome.context is context


def test_a_missing_need_is_named():
    with pytest.raises(SettingError, match=r"^Fill: needs an example input; give it in the Context$"):
        Fill().apply(nn.Linear(2, 2), Context())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(value):
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model[1].running_var[1] = value
    with pytest.raises(WeightsError, match=r"^1.running_var: 1 of 2 values are not finite"):
        Fill().apply(model, Context(example=torch.zeros(1, 2)))


def test_whole_numbers_and_half_precision_are_finite():
    model = nn.BatchNorm1d(2).to(torch.bfloat16)
    require_finite(model)
