"""What a metric is on an engine."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lissome.core.context import SplitLike
from lissome.core.errors import BadDataError


class Runs(Protocol):
    """Anything that runs images: a runtime's session or an artifact's."""

    def run(self, *images: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], ...]:
        """Return one array (N, …) an output."""


def engine_accuracy(
    session: Runs,
    split: SplitLike,
    metric: Callable[[Any, Tensor], Tensor],
    *,
    batch_size: int = 100,
    limit: int | None = None,
) -> float:
    """Return the mean of a metric over a split, computed by the engine.

    Args:
        session: The engine's session.
        split: Images and labels.
        metric: Score of each sample from (output, labels): shape (N,). Several outputs come as a tuple.
        batch_size: Images a call.
        limit: At most so many images; None takes all.

    Raises:
        BadDataError: The split is empty.

    Example:
        >>> class Same:
        ...     def run(self, images): return (images,)
        >>> class Two:
        ...     def batches(self, batch_size, *, limit=None): yield torch.eye(2), torch.tensor([0, 0])
        >>> engine_accuracy(Same(), Two(), lambda output, labels: (output.argmax(1) == labels).float())
        0.5
    """
    total, count = 0.0, 0
    for images, labels in split.batches(batch_size, limit=limit):
        outputs = tuple(torch.from_numpy(one) for one in session.run(images.numpy()))
        scores = metric(outputs[0] if len(outputs) == 1 else outputs, labels)
        total += float(scores.double().sum())
        count += len(scores)
    if count == 0:
        raise BadDataError("holds no images", where="engine_accuracy")
    return total / count
