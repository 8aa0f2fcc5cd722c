"""The distance of predicted boxes from the true ones, one number a pair.

A sum over four coordinates (L1, MSE) treats them as if they did not belong to one box, and weighs large boxes more.
One minus an overlap does neither; see `detection.overlaps` for what each of those adds.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from torch import Tensor

from lissome.core.errors import ShapeError
from lissome.core.names import choose
from lissome.detection.overlaps import ciou, diou, giou, iou

BoxLoss = Literal["l1", "mse", "iou", "giou", "diou", "ciou"]


def _l1(predicted: Tensor, target: Tensor) -> Tensor:
    return (predicted - target).abs().mean(-1)


def _mse(predicted: Tensor, target: Tensor) -> Tensor:
    return (predicted - target).square().mean(-1)


def _one_minus(overlap: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda predicted, target: 1 - overlap(predicted, target)


BOX_LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": _l1,
    "mse": _mse,
    "iou": _one_minus(iou),
    "giou": _one_minus(giou),
    "diou": _one_minus(diou),
    "ciou": _one_minus(ciou),
}
"""Each of (predicted, target), corners (…, 4), to (…)."""


def box_loss(predicted: Tensor, target: Tensor, kind: BoxLoss = "ciou") -> Tensor:
    """Return the loss of each pair of boxes.

    Args:
        predicted: Corners.
        target: Corners of the true boxes.
        kind: "l1" and "mse" are means over the four coordinates, in the boxes' unit or its square (heads give strides,
            so that no map weighs more); "iou" is in [0, 1], "giou" and "diou" in [0, 2], "ciou" in [0, 3).

    Shape:
        (…, 4) and the same to (…).

    Raises:
        UnknownNameError: There is no such loss.
        ShapeError: The shapes differ.

    Source:
        Bochkovskiy et al. 2020 (YOLOv4, "bag of freebies"), arXiv:2004.10934, Section 2.2; each overlap names its own.

    Example:
        >>> import torch
        >>> box_loss(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[1.0, 0, 3, 2]]), "iou").item()
        0.666...
    """
    if predicted.shape != target.shape or predicted.shape[-1] != 4:
        raise ShapeError(
            f"boxes are {tuple(predicted.shape)} and {tuple(target.shape)}",
            where="box_loss",
            fix="give two tensors of one shape, (…, 4)",
        )
    return choose(BOX_LOSSES, kind, "box loss")(predicted, target)
