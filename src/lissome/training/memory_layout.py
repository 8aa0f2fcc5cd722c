"""Which memory layout a network runs in: channels_last where it can, since convolutions on CPUs are faster with it."""

import torch
from torch import Tensor, nn

from lissome.core.errors import ShapeError
from lissome.core.module_graph import run_once


def fastest_layout(model: nn.Module, images: Tensor) -> torch.memory_format:
    """Return channels_last, or contiguous_format for a network that calls `view` on what is not contiguous then.

    Args:
        model: Run once on the first image, in evaluation mode.
        images: (N, C, H, W).

    Raises:
        ShapeError: The network does not run on such images at all.

    Example:
        >>> fastest_layout(nn.Conv2d(3, 4, 1), torch.zeros(1, 3, 8, 8))
        torch.channels_last
    """
    first = images[:1]
    try:
        run_once(model, (first.contiguous(memory_format=torch.channels_last),))
    except ShapeError:
        run_once(model, (first.contiguous(),))
        return torch.contiguous_format
    return torch.channels_last
