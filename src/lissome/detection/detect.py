"""Run a detector, in torch or in an engine, on pictures."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lissome.core.module_graph import evaluation_mode
from lissome.detection.detections import Detections, Selection, select
from lissome.detection.heads.head import Head


class Runs(Protocol):
    """An engine's session, or an artifact's."""

    def run(self, *images: Any) -> tuple[npt.NDArray[np.float32], ...]:
        """Return the outputs for prepared input."""


def raw_output(network: nn.Module | Runs, images: Tensor) -> Tensor:
    """Return a network's first output, whoever runs it.

    Args:
        network: A module, or what has loaded one.
        images: Prepared input.

    Shape:
        images: (N, C, H, W) float32.

    Example:
        >>> raw_output(nn.Conv2d(3, 2, 1), torch.zeros(1, 3, 4, 4)).shape
        torch.Size([1, 2, 4, 4])
    """
    if isinstance(network, nn.Module):
        with evaluation_mode(network), torch.inference_mode():
            output = network(images)
        first: Tensor = output if isinstance(output, Tensor) else output[0]
        return first.clone()
    pixels = np.ascontiguousarray(images.numpy())
    return torch.from_numpy(np.array(network.run(pixels)[0]))


def detect(
    network: nn.Module | Runs, images: Tensor, head: Head, selection: Selection | None = None
) -> tuple[Detections, ...]:
    """Return what a detector finds in each picture, in pixels of its input.

    Args:
        network: A module, an engine's session, or an artifact's.
        images: Prepared input (N, C, H, W).
        head: What the output means.
        selection: Which boxes are handed on; None is `Selection()`.

    Raises:
        ShapeError: The output is not of this head.

    Example:
        >>> from lissome.detection.heads import FastestDetHead
        >>> from lissome.models.fastestdet import FastestDet
        >>> found = detect(FastestDet(), torch.zeros(2, 3, 64, 64), FastestDetHead(height=64, width=64))
        >>> len(found)
        2
    """
    boxes, scores = head.decode(raw_output(network, images))
    return select(boxes, scores, selection or Selection())
