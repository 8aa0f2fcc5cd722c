"""Boxes: corners (x1, y1, x2, y2) in pixels everywhere; other forms are turned into them at once."""

import torch
from torch import Tensor

from lissome.core.errors import BadDataError


def from_centres(boxes: Tensor) -> Tensor:
    """Turn (centre x, centre y, width, height) into corners.

    Shape:
        (…, 4) to the same.

    Example:
        >>> from_centres(torch.tensor([5.0, 5.0, 4.0, 2.0])).tolist()
        [3.0, 4.0, 7.0, 6.0]
    """
    centre, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat([centre - size / 2, centre + size / 2], -1)


def to_centres(boxes: Tensor) -> Tensor:
    """Turn corners into (centre x, centre y, width, height).

    Shape:
        (…, 4) to the same.

    Example:
        >>> to_centres(torch.tensor([3.0, 4.0, 7.0, 6.0])).tolist()
        [5.0, 5.0, 4.0, 2.0]
    """
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(low + high) / 2, high - low], -1)


def from_distances(points: Tensor, distances: Tensor) -> Tensor:
    """Turn distances from a point to the left, upper, right and lower side into corners.

    Shape:
        points (…, 2), distances (…, 4) to (…, 4).

    Source:
        Tian et al. 2019 (FCOS), arXiv:1904.01355, Equation 1, solved for the corners.

    Example:
        >>> from_distances(torch.tensor([5.0, 5.0]), torch.tensor([1.0, 2.0, 3.0, 4.0])).tolist()
        [4.0, 3.0, 8.0, 9.0]
    """
    return torch.cat([points - distances[..., :2], points + distances[..., 2:]], -1)


def areas(boxes: Tensor) -> Tensor:
    """Return the area of each box; a box whose corners are the wrong way round has none.

    Shape:
        (…, 4) to (…).

    Example:
        >>> areas(torch.tensor([[0.0, 0.0, 2.0, 3.0], [2.0, 0.0, 0.0, 3.0]])).tolist()
        [6.0, 0.0]
    """
    sides = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def clip(boxes: Tensor, height: int, width: int) -> Tensor:
    """Return the boxes cut at the border of their picture.

    Shape:
        (…, 4) to the same.

    Example:
        >>> clip(torch.tensor([-3.0, 1.0, 12.0, 30.0]), 10, 8).tolist()
        [0.0, 1.0, 8.0, 10.0]
    """
    limit = boxes.new_tensor([width, height, width, height])
    return torch.minimum(boxes.clamp(min=0), limit)


def require_boxes(boxes: Tensor, where: str) -> Tensor:
    """Return the boxes, or refuse what is none.

    Args:
        boxes: Corners.
        where: For the message.

    Raises:
        BadDataError: Another shape, a number that is not finite, or corners the wrong way round; names the first.

    Example:
        >>> require_boxes(torch.zeros(2, 4), "labels").shape
        torch.Size([2, 4])
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise BadDataError(f"boxes are {tuple(boxes.shape)}", where=where, fix="give N x 4: x1, y1, x2, y2")
    wrong = ~torch.isfinite(boxes).all(1) | (boxes[:, 2:] < boxes[:, :2]).any(1)
    if wrong.any():
        first = int(wrong.nonzero()[0])
        raise BadDataError(
            f"box {first} is {[round(value, 2) for value in boxes[first].tolist()]}",
            where=where,
            fix="give finite corners with x1 <= x2 and y1 <= y2",
        )
    return boxes
