"""What every head does: places to boxes and scores, and the loss of a batch."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from lissome.core.errors import BadDataError


@dataclass(frozen=True, slots=True)
class Truth:
    """The objects of a batch of pictures, one row each.

    Args:
        images: Which picture each is in, (K,) int64.
        classes: (K,) int64.
        boxes: Corners in pixels of the network's input, (K, 4).
    """

    images: Tensor
    classes: Tensor
    boxes: Tensor

    @classmethod
    def of(cls, labels: Tensor) -> Self:
        """Read labels.

        Shape:
            labels: (N, most, 5): class, x1, y1, x2, y2; rows of class -1 fill up.

        Raises:
            BadDataError: The labels have another shape.

        Example:
            >>> Truth.of(torch.tensor([[[2.0, 0, 0, 4, 4], [-1, 0, 0, 0, 0]]])).classes.tolist()
            [2]
        """
        if labels.ndim != 3 or labels.shape[2] != 5:
            raise BadDataError(
                f"labels are {tuple(labels.shape)}", where="Truth", fix="give N x most x 5: class, x1, y1, x2, y2"
            )
        images, places = (labels[..., 0] >= 0).nonzero(as_tuple=True)
        rows = labels[images, places]
        return cls(images, rows[:, 0].long(), rows[:, 1:])

    def __len__(self) -> int:
        return len(self.images)


class Head(ABC):
    """Turns a raw output into boxes, and compares it with the truth; subclasses are frozen dataclasses of settings.

    All know the size of the network's input: `height` and `width`.
    """

    __slots__ = ()

    height: int
    width: int

    def decode(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Return the box and the scores of each place.

        Shape:
            The network's output (N, …) to corners (N, places, 4), in pixels of its input, and (N, places, classes) in
            [0, 1].

        Raises:
            ShapeError: The output is not of this head.
        """
        self.check(output)
        return self.decode_at(output, self.places())

    @abstractmethod
    def check(self, output: Tensor) -> None:
        """Refuse an output that is not of this head.

        Raises:
            ShapeError: It has another shape.
        """

    @abstractmethod
    def places(self) -> tuple[Tensor, ...]:
        """Return what is known of every place beforehand, in the order of the output; `decode_at` takes it."""

    @abstractmethod
    def decode_at(self, output: Tensor, places: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Decode with the places at hand, by tensor operators alone, so that it can be exported behind the network."""

    @abstractmethod
    def loss(self, output: Tensor, labels: Tensor) -> Tensor:
        """Return the training loss, a scalar; labels are as `Truth` reads them."""


def grid(rows: int, columns: int) -> Tensor:
    """Return column and row of each place of a map, row by row.

    Shape:
        Returns (rows · columns, 2) float32.

    Example:
        >>> grid(1, 3).tolist()
        [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]
    """
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2).float()
