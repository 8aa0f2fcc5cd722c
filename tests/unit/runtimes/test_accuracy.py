import pytest
import torch
from torch import nn

from lissome.core.errors import BadDataError
from lissome.runtimes.accuracy import engine_accuracy
from lissome.runtimes.torch import TorchSession


class Split:
    def __init__(self, count):
        generator = torch.Generator().manual_seed(0)
        self.images = torch.randn(count, 4, generator=generator)
        self.labels = torch.randint(0, 4, (count,), generator=generator)

    def __len__(self):
        return len(self.images)

    def batches(self, batch_size, *, generator=None, transform=None, limit=None):
        end = len(self) if limit is None else limit
        for start in range(0, end, batch_size):
            stop = min(start + batch_size, end)
            yield self.images[start:stop], self.labels[start:stop]


def top1(output, labels):
    return (output.argmax(1) == labels).float()


@pytest.mark.parametrize("batch_size", [1, 7, 50, 64])
def test_accuracy_counts_every_image_once_whatever_the_batch(batch_size):
    split = Split(50)
    expected = float(top1(split.images, split.labels).mean())
    assert 0 < expected < 1
    session = TorchSession(nn.Identity())
    assert engine_accuracy(session, split, top1, batch_size=batch_size) == pytest.approx(expected)
    few = float(top1(split.images[:10], split.labels[:10]).mean())
    assert engine_accuracy(session, split, top1, batch_size=batch_size, limit=10) == pytest.approx(few)


def test_several_outputs_reach_the_metric_as_a_tuple():
    class Two:
        def run(self, *images):
            return images[0], -images[0]

    def metric(outputs, labels):
        assert torch.equal(outputs[0], -outputs[1])
        return top1(outputs[0], labels)

    assert engine_accuracy(Two(), Split(8), metric) > 0


def test_an_empty_split_is_refused():
    with pytest.raises(BadDataError, match="holds no images"):
        engine_accuracy(TorchSession(nn.Identity()), Split(0), top1)
