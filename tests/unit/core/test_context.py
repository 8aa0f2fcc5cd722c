import pytest
import torch
from torch import nn

from lissome.core.context import Context, Need
from lissome.core.errors import SettingError


class Images:
    def __len__(self):
        return 4

    def batches(self, batch_size, *, generator=None, transform=None, limit=None):
        yield torch.full((batch_size, 3, 8, 8), 7.0), torch.zeros(batch_size, dtype=torch.int64)


class Task:
    train = validation = test = Images()


@pytest.mark.parametrize(
    ("context", "needs"),
    [
        (Context(), set()),
        (Context(example=torch.zeros(1)), {Need.EXAMPLE}),
        (Context(Task()), {Need.EXAMPLE, Need.TASK}),
        (Context(original=nn.ReLU()), {Need.ORIGINAL}),
    ],
)
def test_what_is_given_meets_the_needs(context, needs):
    assert {need for need in Need if context.has(need)} == needs


def test_example_inputs_are_a_tuple():
    one, two = torch.zeros(1), torch.ones(1)
    assert Context(example=one).example_inputs() == (one,)
    assert Context(example=(one, two)).example_inputs() == (one, two)


def test_a_task_gives_the_example_where_none_is_given():
    (example,) = Context(Task()).example_inputs()
    assert example.shape == (1, 3, 8, 8)
    assert example.unique().tolist() == [7.0]


@pytest.mark.parametrize("ask", [Context.require_task, Context.example_inputs, Context.require_original])
def test_what_is_absent_is_refused_with_the_fix(ask):
    with pytest.raises(SettingError, match=r"Context: .*give Context"):
        ask(Context())


def test_a_purpose_has_numbers_of_its_own():
    def draw(context, purpose):
        return torch.rand(4, generator=context.generator(purpose)).tolist()

    one = Context(seed=1)
    assert draw(one, "shuffle") == draw(one, "shuffle") == draw(Context(seed=1), "shuffle")
    assert draw(one, "shuffle") != draw(one, "noise")
    assert draw(one, "shuffle") != draw(Context(seed=2), "shuffle")


def test_drawing_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    torch.rand(3, generator=Context().generator("x"))
    assert torch.equal(torch.get_rng_state(), before)
