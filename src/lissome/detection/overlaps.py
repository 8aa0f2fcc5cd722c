"""How much two boxes are the same: the intersection over the union, and what was added to it.

    IoU  = |A ∩ B| / |A ∪ B|                            0 for all boxes that do not touch, however far apart
    GIoU = IoU - |C - (A ∪ B)| / |C|                    C: the smallest box around both
    DIoU = IoU - d² / c²                                d: between the centres, c: the diagonal of C
    CIoU = DIoU - α·v,  v = 4/π² (atan(w'/h') - atan(w/h))²,  α = v / ((1 - IoU) + v)

The last three still say which way to move where IoU is 0 and its gradient too. All broadcast: ``iou(a[:, None], b)`` is
the matrix of all pairs.
"""

import math

import torch
from torch import Tensor

from lissome.detection.boxes import areas

TINY = 1e-7
"""Keeps divisions finite for boxes without area."""


def iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the intersection over the union, in [0, 1].

    Shape:
        (…, 4) and (…, 4), corners, broadcast to (…).

    Source:
        Yu et al. 2016 (UnitBox), arXiv:1608.01471, Section 3.

    Example:
        >>> iou(torch.tensor([0.0, 0, 2, 2]), torch.tensor([1.0, 0, 3, 2])).item()
        0.333...
    """
    overlap = _intersection(first, second)
    return overlap / (areas(first) + areas(second) - overlap).clamp(min=TINY)


def giou(first: Tensor, second: Tensor) -> Tensor:
    """Return the generalised IoU, in [-1, 1].

    Shape:
        (…, 4) and (…, 4), corners, broadcast to (…).

    Source:
        Rezatofighi et al. 2019, arXiv:1902.09630, Algorithm 1.

    Example:
        >>> giou(torch.tensor([0.0, 0, 1, 1]), torch.tensor([2.0, 0, 3, 1])).item()
        -0.333...
    """
    overlap = _intersection(first, second)
    union = areas(first) + areas(second) - overlap
    around = areas(_around(first, second))
    return overlap / union.clamp(min=TINY) - (around - union).clamp(min=0) / around.clamp(min=TINY)


def diou(first: Tensor, second: Tensor) -> Tensor:
    """Return the distance IoU, in [-1, 1].

    Shape:
        (…, 4) and (…, 4), corners, broadcast to (…).

    Source:
        Zheng et al. 2020, arXiv:1911.08287, Equations 6 and 7.

    Example:
        >>> diou(torch.tensor([0.0, 0, 1, 1]), torch.tensor([2.0, 0, 3, 1])).item()
        -0.4...
    """
    around = _around(first, second)
    diagonal = (around[..., 2:] - around[..., :2]).square().sum(-1)
    between = (first[..., :2] + first[..., 2:] - second[..., :2] - second[..., 2:]).square().sum(-1) / 4
    return iou(first, second) - between / diagonal.clamp(min=TINY)


def ciou(first: Tensor, second: Tensor) -> Tensor:
    """Return the complete IoU: distance IoU less a term for another shape, in (-2, 1].

    The weight α is a constant to the gradient, as in the paper.

    Shape:
        (…, 4) and (…, 4), corners, broadcast to (…).

    Source:
        Zheng et al. 2020, arXiv:1911.08287, Equations 8 to 11.

    Example:
        >>> square, wide = torch.tensor([0.0, 0, 2, 2]), torch.tensor([-1.0, 0.5, 3, 1.5])
        >>> bool(ciou(square, wide) < diou(square, wide))
        True
    """
    value = diou(first, second)
    shape = (_angle(second) - _angle(first)).square() * (4 / math.pi**2)
    with torch.no_grad():
        weight = shape / (1 - iou(first, second) + shape).clamp(min=TINY)
    return value - weight * shape


def _angle(boxes: Tensor) -> Tensor:
    sides = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)
    return torch.atan(sides[..., 0] / sides[..., 1].clamp(min=TINY))


def _intersection(first: Tensor, second: Tensor) -> Tensor:
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    sides = (high - low).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def _around(first: Tensor, second: Tensor) -> Tensor:
    low = torch.minimum(first[..., :2], second[..., :2])
    high = torch.maximum(first[..., 2:], second[..., 2:])
    return torch.cat([low, high], -1)
