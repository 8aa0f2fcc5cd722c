"""FastestDet's head: one box a place of stride 16, its centre within a cell of the place.

    x = (column + tanh tx) · 16      y likewise      width = W · σ(tw)      height = H · σ(th)
    score of a class = σ(objectness)^0.6 · softmax(class)^0.4

In training each object belongs to the four places around its centre that lie in the map.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lissome.core.errors import SettingError, ShapeError
from lissome.detection.boxes import from_centres
from lissome.detection.heads.head import Head, Truth, grid
from lissome.detection.losses import BoxLoss, ObjectnessLoss, box_loss, objectness_loss
from lissome.detection.overlaps import iou

STRIDE = 16
BOX, OBJECTNESS, CLASS = 8.0, 16.0, 1.0
"""Weights of the three losses in the authors' code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FastestDetHead(Head):
    """Decodes and trains `models.fastestdet.FastestDet`.

    Args:
        height: Rows of the network's input, a multiple of 32.
        width: Columns of it.
        box: Which loss the boxes get, in strides.
        objectness: Which loss says where objects are.

    Raises:
        SettingError: A side is no multiple of 32.

    Source:
        github.com/dog-qiuqiu/FastestDet, utils/tool.py (decoding) and module/loss.py (assignment, weights). The
        authors' box loss is SIoU; here it is one of ours.

    Example:
        >>> boxes, scores = FastestDetHead(height=64, width=96).decode(torch.zeros(1, 85, 4, 6))
        >>> boxes.shape, scores.shape
        (torch.Size([1, 24, 4]), torch.Size([1, 24, 80]))
        >>> boxes[0, 7].tolist()  # the place in column 1, row 1; half the picture large
        [-8.0, 0.0, 40.0, 32.0]
    """

    height: int = 352
    width: int = 352
    box: BoxLoss = "ciou"
    objectness: ObjectnessLoss = "cross_entropy"

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 32 or self.height % 32 or self.width % 32:
            raise SettingError(
                f"the input is {self.height} x {self.width}", where="FastestDetHead", fix="choose multiples of 32"
            )

    def check(self, output: Tensor) -> None:
        """Refuse an output of another shape."""
        rows, columns = self.height // STRIDE, self.width // STRIDE
        if output.ndim != 4 or output.shape[1] < 6 or tuple(output.shape[2:]) != (rows, columns):
            raise ShapeError(
                f"the output is {tuple(output.shape)}",
                where="FastestDetHead",
                fix=f"give N x (5 + classes) x {rows} x {columns}, or other sides to the head",
            )

    def places(self) -> tuple[Tensor, ...]:
        """Return column and row of each place, and the sides of the picture."""
        return grid(self.height // STRIDE, self.width // STRIDE), torch.tensor([self.width, self.height]).float()

    def decode_at(self, output: Tensor, places: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Return the box and the scores of each place."""
        objectness, boxes, classes = _split(output)
        return _boxes(boxes, *places), objectness.sigmoid() ** 0.6 * classes.softmax(-1) ** 0.4

    def loss(self, output: Tensor, labels: Tensor) -> Tensor:
        """Return the weighted sum of the losses of boxes, objectness and classes."""
        self.check(output)
        objectness, boxes, classes = _split(output)
        truth = Truth.of(labels)
        places, owners = self._assigned(truth)
        images, wanted = truth.images[owners], torch.zeros_like(objectness[..., 0])
        if not len(owners):
            return OBJECTNESS * objectness_loss(objectness[..., 0], wanted, self.objectness)
        cells, sides = self.places()
        found, target = _boxes(boxes[images, places], cells[places], sides), truth.boxes[owners]
        # Learns how good its box is: the objectness is then worth sorting by.
        wanted[images, places] = iou(found, target).detach()
        return (
            BOX * box_loss(found / STRIDE, target / STRIDE, self.box).mean()
            + OBJECTNESS * objectness_loss(objectness[..., 0], wanted, self.objectness)
            + CLASS * functional.cross_entropy(classes[images, places], truth.classes[owners])
        )

    def _assigned(self, truth: Truth) -> tuple[Tensor, Tensor]:
        """Return the places that belong to an object, and the number of the object each belongs to."""
        rows, columns = self.height // STRIDE, self.width // STRIDE
        corner = ((truth.boxes[:, :2] + truth.boxes[:, 2:]) / 2 / STRIDE).long()
        around = corner[:, None] + torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1]])
        inside = (around >= 0).all(-1) & (around < torch.tensor([columns, rows])).all(-1)
        owners, which = inside.nonzero(as_tuple=True)
        chosen = around[owners, which]
        return chosen[:, 1] * columns + chosen[:, 0], owners


def _split(output: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    places = output.flatten(2).transpose(1, 2)
    return places[..., :1], places[..., 1:5], places[..., 5:]


def _boxes(raw: Tensor, cells: Tensor, sides: Tensor) -> Tensor:
    centres = (cells + raw[..., :2].tanh()) * STRIDE
    return from_centres(torch.cat([centres, raw[..., 2:].sigmoid() * sides], -1))
