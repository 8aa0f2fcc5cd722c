"""Whether a network knows its validation images by heart, so that a drop on them says more than is lost."""

from torch import Tensor, nn

from lissome.core.context import TaskLike
from lissome.training.evaluate import evaluate

BY_HEART = 0.99
"""A network that scores this much on training images has learnt them by heart."""
MOST_TIMES = 1.5
"""Images that it was not trained on cost such a network several times as much as those it was; these cost less."""

KNOWN_IMAGES = (
    "the validation images seem to be among those that the network was trained on: it knows them by heart, a smaller "
    "network cannot, and the drop on them is larger than on new images; give validation images it was not trained on"
)


def knows_validation_images(model: nn.Module, task: TaskLike, *, images: int = 1000) -> bool:
    """Tell whether validation images are as well known to a network as training images that it knows by heart.

    Published weights were often trained on all images there are, those included that are held out here. Of a network
    that has not learnt its training images by heart nothing can be told, and False is returned.

    Args:
        model: The network; its mode is left as it was.
        task: Data, loss and metric.
        images: So many of each split are looked at, ≥ 1.

    Example:
        >>> import numpy as np, torch
        >>> from lissome.data.task import Task
        >>> pixels, labels = np.zeros((40, 8, 8, 3), np.uint8), np.arange(40) % 2
        >>> task = Task.from_arrays(pixels, labels, pixels, labels)
        >>> knows_validation_images(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), task)
        False
    """

    def cost(output: Tensor, labels: Tensor) -> Tensor:
        return task.loss(output, labels).expand(len(labels))

    parts = (task.train, task.validation)
    if min(evaluate(model, one, task.metric, limit=images) for one in parts) < BY_HEART:
        return False
    trained, held_out = (evaluate(model, one, cost, limit=images) for one in parts)
    return held_out < MOST_TIMES * trained
