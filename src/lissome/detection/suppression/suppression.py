"""What every suppression is: settings, and one call that returns which boxes stay, best first, with their scores."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from lissome.core.errors import ShapeError

Kept = tuple[Tensor, Tensor]
"""(K,) places of the boxes that stay, best first, and (K,) their scores."""


class Suppression(ABC):
    """Leaves one box an object; subclasses are frozen dataclasses of settings."""

    __slots__ = ()

    def __call__(self, boxes: Tensor, scores: Tensor, groups: Tensor | None = None) -> Kept:
        """Return the places of the boxes that stay, best first, and their scores.

        Args:
            boxes: Corners.
            scores: How sure each is; of equal ones the first counts as better.
            groups: A number a box; boxes of different groups leave each other alone. Give classes to suppress within
                each class, and ``image · classes + class`` for several images at once. None is one group.

        Shape:
            (N, 4), (N,), (N,) to (K,) int64 and (K,).

        Raises:
            ShapeError: The shapes do not belong together.
        """
        shapes = [tuple(one.shape) for one in (boxes, scores, groups) if one is not None]
        if boxes.ndim != 2 or boxes.shape[1] != 4 or any(shape != (len(boxes),) for shape in shapes[1:]):
            raise ShapeError(
                f"shapes are {', '.join(map(str, shapes))}", where=type(self).__name__, fix="give (N, 4), (N,) and (N,)"
            )
        with torch.no_grad():
            return self._kept(boxes, scores, torch.zeros(len(boxes)) if groups is None else groups)

    @abstractmethod
    def _kept(self, boxes: Tensor, scores: Tensor, groups: Tensor) -> Kept:
        """Return what stays; shapes have been checked, there may be no box."""
