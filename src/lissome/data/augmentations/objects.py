"""The labels of a batch as objects (N, most, 5): class, x1, y1, x2, y2 in pixels; rows of class -1 fill up."""

import torch
from torch import Tensor
from torch.nn import functional

from lissome.core.errors import SettingError


def has_objects(labels: Tensor) -> bool:
    """Tell whether labels are objects with boxes.

    Example:
        >>> has_objects(torch.zeros(2, 3, 5)), has_objects(torch.tensor([1, 2]))
        (True, False)
    """
    return labels.ndim == 3 and labels.shape[2] == 5 and labels.is_floating_point()


def require_mixable(labels: Tensor, where: str) -> None:
    """Refuse class numbers, of which there is no mixture.

    Raises:
        SettingError: The labels are neither shares of classes nor objects.
    """
    if not labels.is_floating_point():
        raise SettingError(
            "class numbers cannot be mixed", where=where, fix="give shares: functional.one_hot(labels, classes).float()"
        )


def moved(labels: Tensor, matrices: Tensor, regions: Tensor, least: float) -> Tensor:
    """Return the objects after the pixels moved: the boxes around the moved boxes, cut at a region.

    Args:
        labels: (N, most, 5).
        matrices: Where pixels go, (N, 3, 3), column vectors (x, y, 1).
        regions: What can be seen, (N, 4) corners.
        least: Share of a moved box that must be within, or the object is dropped.

    Example:
        >>> labels, shift = torch.tensor([[[7.0, 0, 0, 4, 4]]]), torch.tensor([[[1.0, 0, 2], [0, 1, 0], [0, 0, 1]]])
        >>> moved(labels, shift, torch.tensor([[0.0, 0, 5, 5]]), 0.25)[0, 0].tolist()
        [7.0, 2.0, 0.0, 5.0, 4.0]
    """
    x1, y1, x2, y2 = labels[..., 1:].unbind(-1)
    corners = torch.stack([torch.stack([x1, x2, x1, x2], -1), torch.stack([y1, y1, y2, y2], -1)], 1)
    linear, shift = matrices[:, :2, :2], matrices[:, :2, 2]
    # (N, 2, most, 4): x and y of the four corners of each box.
    places = torch.einsum("nij,njmk->nimk", linear, corners) + shift[:, :, None, None]
    whole = torch.cat([places.amin(-1), places.amax(-1)], 1).transpose(1, 2)
    seen = _cut(whole, regions)
    return _only(labels, seen, _areas(seen) >= least * _areas(whole))


def outside(labels: Tensor, regions: Tensor, least: float) -> Tensor:
    """Return the objects of which enough is left when regions are covered; their boxes stay as they are.

    Args:
        labels: (N, most, 5).
        regions: What is covered, (N, 4) corners.
        least: Share of a box that must be left.
    """
    boxes = labels[..., 1:]
    hidden = _areas(_cut(boxes, regions))
    return _only(labels, boxes, _areas(boxes) - hidden >= least * _areas(boxes))


def together(*labels: Tensor) -> Tensor:
    """Return all objects of several label tensors, without empty rows in between.

    Example:
        >>> together(torch.full((1, 3, 5), -1.0), torch.ones(1, 1, 5)).shape
        torch.Size([1, 1, 5])
    """
    rows = torch.cat(labels, 1)
    is_object = rows[..., 0] >= 0
    order = is_object.logical_not().long().argsort(dim=1, stable=True)
    most = max(1, int(is_object.sum(1).max()))
    return rows.gather(1, order[..., None].expand_as(rows))[:, :most]


def with_rows(labels: Tensor, most: int) -> Tensor:
    """Return the objects in so many rows."""
    return functional.pad(labels, (0, 0, 0, most - labels.shape[1]), value=-1.0)


def _only(labels: Tensor, boxes: Tensor, enough: Tensor) -> Tensor:
    is_kept = enough & (labels[..., 0] >= 0) & (_areas(boxes) > 0)
    rows = torch.cat([labels[..., :1], boxes], -1)
    return torch.where(is_kept[..., None], rows, torch.full_like(rows, -1.0))


def _cut(boxes: Tensor, regions: Tensor) -> Tensor:
    low, high = regions[:, None, :2], regions[:, None, 2:]
    cut = [torch.minimum(torch.maximum(part, low), high) for part in (boxes[..., :2], boxes[..., 2:])]
    return torch.cat(cut, -1)


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)
