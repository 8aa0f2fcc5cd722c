"""Training by several processes: each works on its part of every batch, and their gradients are averaged."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lissome.core.errors import BadModelError, SettingError
from lissome.core.processes import Processes
from lissome.core.settings import key_of

_EXACT_DIGITS = 12
"""Hexadecimal digits that a float64 holds exactly."""


def begin_alike(model: nn.Module, run: Processes) -> None:
    """Copy the first process's network into those of the others.

    Args:
        model: Changed in place.
        run: The processes.

    Raises:
        BadModelError: They are not of the same layers and widths.
    """
    if run.count == 1:
        return
    form = [[name, list(one.shape), str(one.dtype)] for name, one in model.state_dict().items()]
    mine = float(int(key_of(form)[:_EXACT_DIGITS], 16))
    if not run.agree(run.first(lambda: mine) == mine):
        raise BadModelError(
            "is not the same in all processes", where="torchrun", fix="give all the same network, data and seed"
        )
    run.share(model.state_dict().values())


def check_parts(batch_size: int, images: int, run: Processes) -> None:
    """Refuse batches that the processes cannot share evenly.

    Args:
        batch_size: Images of a batch, of all processes together.
        images: Training images of an epoch.
        run: The processes.

    Raises:
        SettingError: A process would get fewer images than another, or none.

    Example:
        >>> check_parts(128, 1000, Processes(0, 3))
        Traceback (most recent call last):
        lissome.core.errors.SettingError: Train: 3 processes cannot share 128 images evenly; choose a batch_size ...
    """
    if batch_size % run.count or images < run.count:
        raise SettingError(
            f"{run.count} processes cannot share {min(batch_size, images)} images evenly",
            where="Train",
            fix=f"choose a batch_size that is a multiple of {run.count}, or fewer processes",
        )


def part_of(batch: tuple[Tensor, Tensor], run: Processes) -> tuple[Tensor, Tensor]:
    """Return this process's images and labels of a batch; what does not share out evenly is left out.

    Example:
        >>> part_of((torch.arange(5), torch.arange(5)), Processes(1, 2))[0].tolist()
        [1, 3]
    """
    images, labels = batch
    mine = slice(run.rank, len(images) // run.count * run.count, run.count)
    return images[mine], labels[mine]


@torch.no_grad()
def average_gradients(parameters: Sequence[nn.Parameter], run: Processes) -> None:
    """Give each process the mean of all gradients; what no process used stays without one.

    Networks as small as these are sent in one piece, sooner than in parts beside the backward pass.

    Args:
        parameters: The same ones in all processes.
        run: The processes.
    """
    if run.count == 1:
        return
    used = torch.tensor([one.grad is not None for one in parameters], dtype=torch.float32)
    gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
    flat = torch.cat([*(one.flatten() for one in gradients), used])
    run.average([flat])
    *means, users = torch.split(flat, [*(one.numel() for one in parameters), len(parameters)])
    for one, gradient, mean, share in zip(parameters, gradients, means, users.tolist(), strict=True):
        if share > 0:
            one.grad = gradient.copy_(mean.view_as(gradient))


def settle(model: nn.Module, run: Processes) -> None:
    """Make the network the same in all processes, to the bit: normalisations get the mean of their statistics.

    Each part of a batch is normalised by its own statistics, so the mean of their running means and variances is an
    estimate of those of the data without bias, from all images.

    Args:
        model: Changed in place.
        run: The processes.
    """
    for layer in model.modules():
        if isinstance(layer, _BatchNorm) and layer.running_mean is not None and layer.running_var is not None:
            run.average([layer.running_mean, layer.running_var])
    run.share(model.state_dict().values())
