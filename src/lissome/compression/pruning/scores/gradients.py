"""Gradients of the task's loss with respect to the weights that a score looks at."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from lissome.core.context import Context
from lissome.core.module_graph import evaluation_mode
from lissome.core.progress import track


def gradients(
    model: nn.Module, paths: Sequence[str], context: Context, *, images: int, batch_size: int
) -> Iterator[dict[str, Tensor]]:
    """Yield, for each batch of training images, the gradient of the mean loss by the path of a parameter.

    The network is in evaluation mode: its statistics stay, and one image's gradient does not depend on the others.

    Args:
        model: The network; its parameters, their gradients and its modes are left as they were.
        paths: Parameters; one that the loss does not depend on gets zeros.
        context: Task and seed.
        images: How many training images, drawn at random.
        batch_size: Images a gradient.
    """
    task = context.require_task()
    tensors = [model.get_parameter(path) for path in paths]
    wanted = [one.requires_grad for one in tensors]
    batches = task.train.batches(batch_size, generator=context.generator("scores"), limit=images)
    try:
        for one in tensors:
            one.requires_grad_()
        with evaluation_mode(model), torch.enable_grad():
            for pictures, labels in track(batches, context.progress, "scoring"):
                loss = task.loss(model(pictures), labels)
                found = torch.autograd.grad(loss, tensors, materialize_grads=True)
                yield dict(zip(paths, found, strict=True))
    finally:
        for one, before in zip(tensors, wanted, strict=True):
            one.requires_grad_(before)
