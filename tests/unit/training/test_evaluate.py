import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lissome.core.errors import BadDataError, ShapeError
from lissome.core.preprocessing import Preprocessing
from lissome.data.metrics import top1_correct
from lissome.data.split import ArraySplit
from lissome.training.evaluate import evaluate

SPLIT = ArraySplit(
    np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1).repeat(4, 1).repeat(4, 2),
    np.arange(10, dtype=np.int64) % 2,
    Preprocessing(channels=1, height=4, width=4, scale=1),
)


class FirstPixelSaysClass(nn.Module):
    """Answers 1 for images of value 5 and more."""

    def forward(self, x: Tensor) -> Tensor:
        """Return two logits."""
        high = (x[:, 0, 0, 0] >= 5).float()
        return torch.stack([1 - high, high], 1)


@pytest.mark.parametrize("batch_size", [1, 3, 10, 99])
def test_the_mean_does_not_depend_on_the_batch_size(batch_size: int) -> None:
    # Right on 0, 2, 4 (class 0, low) and on 5, 7, 9 (class 1, high).
    assert evaluate(FirstPixelSaysClass(), SPLIT, top1_correct, batch_size=batch_size) == 0.6


def test_the_limit_takes_the_first_images() -> None:
    assert evaluate(FirstPixelSaysClass(), SPLIT, top1_correct, limit=3) == 2 / 3
    assert evaluate(FirstPixelSaysClass(), SPLIT, top1_correct, limit=99) == 0.6


def test_every_layer_gets_its_mode_back() -> None:
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout().eval(), nn.Flatten(), nn.Linear(16, 2)).train()
    model[1].eval()
    statistics = model[0].running_mean.clone()
    evaluate(model, SPLIT, top1_correct)
    assert [layer.training for layer in model] == [True, False, True, True]
    assert torch.equal(model[0].running_mean, statistics)


class Views(nn.Module):
    """Flattens with `view`, which refuses the channels_last layout."""

    def forward(self, x: Tensor) -> Tensor:
        """Return four logits."""
        return x.view(x.shape[0], -1)[:, :4]


def test_a_network_that_needs_the_contiguous_layout_gets_it() -> None:
    pixels = np.zeros((4, 2, 2, 3), np.uint8)
    pixels[:, 0, 1, 0] = 255  # the second entry of the first plane, when contiguous
    split = ArraySplit(pixels, np.ones(4, np.int64), Preprocessing(channels=3, height=2, width=2))
    assert evaluate(Views(), split, top1_correct) == 1.0


def test_wrong_input_and_no_images_are_refused() -> None:
    with pytest.raises(ShapeError, match="1x1x4x4"):
        evaluate(nn.Conv2d(3, 4, 1), SPLIT, top1_correct)
    with pytest.raises(BadDataError, match="no images"):
        evaluate(FirstPixelSaysClass(), SPLIT.subset(np.array([], np.int64)), top1_correct)


def test_progress_is_told() -> None:
    seen: list[tuple[int, int | None]] = []

    class Watcher:
        def advance(self, task: str, done: int, total: int | None) -> None:
            seen.append((done, total))

        def say(self, message: str) -> None:
            raise AssertionError(message)

    evaluate(FirstPixelSaysClass(), SPLIT, top1_correct, batch_size=4, progress=Watcher())
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
