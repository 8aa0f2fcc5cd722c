"""Greedy suppression, many boxes at a time, with the very result of doing it box by box.

Box by box: take the best box that is left, drop all that overlap it too much, repeat. Here the best 256 are taken
together. Which of them stay is the one solution of

    stays(i) = no better j that stays overlaps i too much

and is found by applying that line to all of them until nothing changes (each pass settles at least the best box that is
not settled yet). Those that stay drop what they overlap of all worse boxes in one product.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lissome.detection.boxes import areas
from lissome.detection.overlaps import TINY

BLOCK = 128
PAIRS = 65536
"""Pairs compared at once: as many as leave the numbers in the processor's cache."""

Exceeds = Callable[[Tensor, Tensor], Tensor]
"""Whether boxes (K, 4) overlap boxes (M, 4) too much: (K, M), 1 or 0 in the type of the boxes.

Numbers, since torch compares into numbers eight times as fast as into booleans.
"""


def suppress_in_blocks(boxes: Tensor, scores: Tensor, groups: Tensor, exceeds: Exceeds) -> Tensor:
    """Return the places of the boxes that stay, best first.

    Args:
        boxes: Corners (N, 4).
        scores: (N,).
        groups: (N,); boxes of different groups leave each other alone.
        exceeds: Whether two boxes are taken for one.

    Source:
        The fixed point: Zheng et al. 2020 (Cluster-NMS), arXiv:2005.03572, Algorithm 2 and Proposition 1.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 5], [8, 8, 9, 9]])
        >>> exceeds = lambda some, others: iou_exceeds(some, others, 0.5)
        >>> suppress_in_blocks(boxes, torch.tensor([0.5, 0.9, 0.1]), torch.zeros(3), exceeds).tolist()
        [1, 2]
    """
    places = scores.argsort(descending=True, stable=True)
    boxes, groups = boxes[places], _as_floats(groups[places], boxes.dtype)
    grouped = len(groups) > 1 and bool((groups != groups[0]).any())

    def rules_out(some: Tensor, of_some: Tensor, others: Tensor, of_others: Tensor) -> Tensor:
        found = exceeds(some, others)
        return found.mul_((of_some[:, None] - of_others).eq_(0)) if grouped else found

    kept = []
    while len(places):
        head, of_head = boxes[:BLOCK], groups[:BLOCK]
        # Row j, column i: the better box j rules i out, if j stays.
        within = rules_out(head, of_head, head, of_head).triu_(1)
        stays = torch.ones_like(of_head)
        while True:
            settled = 1 - (within * stays[:, None]).amax(0)
            if torch.equal(settled, stays):
                break
            stays = settled
        chosen = stays.bool()
        kept.append(places[:BLOCK][chosen])
        best, of_best = head[chosen], of_head[chosen]
        tile = PAIRS // len(best)
        gone = [
            rules_out(best, of_best, boxes[start : start + tile], groups[start : start + tile]).amax(0)
            for start in range(BLOCK, len(places), tile)
        ]
        survives = torch.cat(gone) == 0 if gone else torch.zeros(0, dtype=torch.bool)
        places, boxes, groups = places[BLOCK:][survives], boxes[BLOCK:][survives], groups[BLOCK:][survives]
    return torch.cat(kept) if kept else places


def _as_floats(groups: Tensor, kind: torch.dtype) -> Tensor:
    """Return the groups in a type that may not hold all whole numbers, numbered anew where it does not."""
    floats = groups.to(kind)
    if torch.equal(floats.to(groups.dtype), groups):
        return floats
    return torch.searchsorted(groups.sort().values, groups).to(kind)


def iou_exceeds(some: Tensor, others: Tensor, threshold: float) -> Tensor:
    """Return ``iou(some[:, None], others) > threshold`` as 1 or 0, in the same roundings, in a fifth of the time.

    Args:
        some: Corners (K, 4).
        others: Corners (M, 4).
        threshold: What the IoU must be above.

    Example:
        >>> iou_exceeds(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[1.0, 0, 3, 2], [0, 0, 2, 2]]), 0.5).tolist()
        [[0.0, 1.0]]
    """
    # One plane a coordinate, and no new memory after the first four.
    x1, y1, x2, y2 = others.T.contiguous()
    width = torch.minimum(some[:, 2:3], x2).sub_(torch.maximum(some[:, 0:1], x1)).clamp_(min=0)
    height = torch.minimum(some[:, 3:4], y2).sub_(torch.maximum(some[:, 1:2], y1)).clamp_(min=0)
    shared = width.mul_(height)
    union = torch.add(areas(some)[:, None], areas(others), out=height).sub_(shared).clamp_(min=TINY)
    return shared.div_(union).gt_(threshold)
