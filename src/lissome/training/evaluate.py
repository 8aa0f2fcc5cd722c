"""The mean of a metric over a split."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lissome.core.context import SplitLike
from lissome.core.errors import BadDataError
from lissome.core.module_graph import evaluation_mode
from lissome.core.progress import Progress, Silent, track
from lissome.training.memory_layout import fastest_layout


def evaluate(
    model: nn.Module,
    split: SplitLike,
    metric: Callable[[Tensor, Tensor], Tensor],
    *,
    batch_size: int = 256,
    limit: int | None = None,
    progress: Progress | None = None,
) -> float:
    """Return the mean of a metric over the images of a split, in float32.

    Args:
        model: Run in evaluation mode; its mode is left as it was.
        split: The images.
        metric: The score of each sample from (output, labels): (N,).
        batch_size: Images a batch, ≥ 1.
        limit: At most so many images, the first ones; None takes all.
        progress: Who watches; None is nobody.

    Raises:
        BadDataError: The split is empty.
        ShapeError: The network does not take such images.

    Example:
        >>> from lissome.data.task import Task
        >>> import numpy as np
        >>> pixels, labels = np.zeros((40, 8, 8, 3), np.uint8), np.arange(40) % 2
        >>> task = Task.from_arrays(pixels, labels, pixels, labels)
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
        >>> evaluate(model, task.test, task.metric)
        0.5
    """
    count = len(split) if limit is None else min(limit, len(split))
    if count == 0:
        raise BadDataError("there are no images to evaluate on", where="evaluate", fix="give a split with images")
    total, layout = 0.0, None
    with evaluation_mode(model), torch.inference_mode():
        batches = split.batches(batch_size, limit=limit)
        for images, labels in track(batches, progress or Silent(), "evaluate", math.ceil(count / batch_size)):
            layout = layout or fastest_layout(model, images)
            total += float(metric(model(images.contiguous(memory_format=layout)), labels).double().sum())
    return total / count
