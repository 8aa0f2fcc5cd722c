import pytest
import torch

from lissome.core.context import Context
from lissome.core.errors import SettingError
from lissome.exporting.samples import take_samples


class Split:
    def __init__(self, count):
        self.images = torch.randn(count, 3, 4, 4)

    def batches(self, batch_size, *, generator=None, transform=None, limit=None):
        for start in range(0, min(len(self.images), limit), batch_size):
            yield self.images[start : start + batch_size], torch.zeros(batch_size)


class Task:
    def __init__(self, count):
        self.validation = Split(count)


@pytest.mark.parametrize(("count", "taken"), [(100, 16), (5, 5)])
def test_validation_images_come_first(count, taken):
    task = Task(count)
    samples = take_samples(Context(task, example=torch.randn(1, 3, 4, 4)))
    assert torch.equal(samples.inputs[0], task.validation.images[:taken])
    assert samples.origin == f"{taken} validation images"
    assert torch.equal(samples.single[0], task.validation.images[:1])


def test_an_example_is_used_and_said():
    example = torch.randn(3, 3, 4, 4)
    samples = take_samples(Context(example=example))
    assert torch.equal(samples.inputs[0], example)
    assert samples.origin == "3 example inputs"


def test_a_single_example_is_doubled_to_prove_the_batch():
    example = torch.randn(1, 3, 4, 4)
    samples = take_samples(Context(example=example))
    assert torch.equal(samples.inputs[0], torch.cat([example, example]))
    assert samples.origin == "the example input"


def test_an_empty_validation_split_leaves_the_example():
    assert take_samples(Context(Task(0), example=torch.randn(1, 2))).origin == "the example input"


def test_constant_examples_become_noise_of_the_seed():
    contexts = [Context(example=(torch.zeros(1, 3, 4, 4), torch.ones(1, 2)), seed=seed) for seed in (1, 1, 2)]
    one, same, other = (take_samples(context).inputs for context in contexts)
    assert [tuple(part.shape) for part in one] == [(16, 3, 4, 4), (16, 2)]
    assert torch.equal(one[0], same[0])
    assert not torch.equal(one[0], other[0])


def test_nothing_to_take_from_is_refused():
    with pytest.raises(SettingError, match="task"):
        take_samples(Context())
