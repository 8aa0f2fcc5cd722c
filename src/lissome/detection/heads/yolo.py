"""YOLO's head: at each place of three maps three boxes, each a change of an anchor.

    x = (2·σ(tx) - ½ + column) · stride      y likewise      width = (2·σ(tw))² · anchor width      height likewise
    score of a class = σ(objectness) · σ(class)

In training an object belongs to every anchor of at most four times its width and height and at least a quarter, at the
place its centre is in and at the next one on the nearer side, across and down: what a centre of -½ … 1½ can reach.
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

Anchors = tuple[tuple[tuple[float, float], ...], ...]
COCO_ANCHORS: Anchors = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
RATIO = 4.0
BOX, OBJECTNESS, CLASS = 0.05, 1.0, 0.5
BALANCE = (4.0, 1.0, 0.4)
"""Weights of the three maps' objectness: the finest has the most places and the fewest objects a place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class YoloHead(Head):
    """Decodes and trains `models.yolov5s_like.YoloV5sLike`.

    Args:
        height: Rows of the network's input, a multiple of the largest stride.
        width: Columns of it.
        strides: Of the maps, finest first.
        anchors: Width and height in pixels of each anchor of each map.
        box: Which loss the boxes get, in strides of their map.
        objectness: Which loss says where objects are, for each map.

    Raises:
        SettingError: A side does not fit the strides, or maps and anchors differ in number.

    Source:
        YOLOv5, release 5 (decoding, assignment, weights, anchors); Redmon and Farhadi 2018, arXiv:1804.02767.

    Example:
        >>> head = YoloHead(height=64, width=64)
        >>> boxes, scores = head.decode(torch.zeros(1, 252, 85))
        >>> boxes[0, 0].tolist(), scores[0, 0, 0].item()  # an anchor of 10 x 13 around the first place's middle
        ([-1.0, -2.5, 9.0, 10.5], 0.25)
    """

    height: int = 640
    width: int = 640
    strides: tuple[int, ...] = (8, 16, 32)
    anchors: Anchors = COCO_ANCHORS
    box: BoxLoss = "ciou"
    objectness: ObjectnessLoss = "cross_entropy"

    def __post_init__(self) -> None:
        largest = max(self.strides)
        if min(self.height, self.width) < largest or self.height % largest or self.width % largest:
            raise SettingError(
                f"the input is {self.height} x {self.width}", where="YoloHead", fix=f"choose multiples of {largest}"
            )
        if len(self.anchors) != len(self.strides):
            raise SettingError(
                f"{len(self.anchors)} lists of anchors for {len(self.strides)} maps", where="YoloHead", fix="one a map"
            )

    def check(self, output: Tensor) -> None:
        """Refuse an output of another shape."""
        count = sum(
            self.height // stride * (self.width // stride) * len(sizes)
            for stride, sizes in zip(self.strides, self.anchors, strict=True)
        )
        if output.ndim != 3 or output.shape[1] != count or output.shape[2] < 6:
            raise ShapeError(
                f"the output is {tuple(output.shape)}",
                where="YoloHead",
                fix=f"give N x {count} x (5 + classes), or other sides to the head",
            )

    def places(self) -> tuple[Tensor, ...]:
        """Return column and row (P, 2), anchor (P, 2), and stride (P, 1) of each place."""
        cells, anchors, strides = [], [], []
        for stride, sizes in zip(self.strides, self.anchors, strict=True):
            places = grid(self.height // stride, self.width // stride)
            cells.append(places.repeat(len(sizes), 1))
            anchors.append(torch.tensor(sizes).float().repeat_interleave(len(places), 0))
            strides.append(torch.full((len(places) * len(sizes), 1), float(stride)))
        return torch.cat(cells), torch.cat(anchors), torch.cat(strides)

    def decode_at(self, output: Tensor, places: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Return the box and the scores of each place."""
        return _boxes(output[..., :4], *places), output[..., 4:5].sigmoid() * output[..., 5:].sigmoid()

    def loss(self, output: Tensor, labels: Tensor) -> Tensor:
        """Return the weighted sum of the losses of boxes, objectness and classes."""
        self.check(output)
        places = self.places()
        truth = Truth.of(labels)
        owners, chosen = _assigned(truth, *places).nonzero(as_tuple=True)
        images, wanted = truth.images[owners], torch.zeros_like(output[..., 4])
        total = output.new_zeros(())
        if len(owners):
            raw, target = output[images, chosen], truth.boxes[owners]
            found = _boxes(raw[:, :4], *(one[chosen] for one in places))
            kinds = functional.one_hot(truth.classes[owners], output.shape[2] - 5).to(output.dtype)
            strides = places[2][chosen]
            total = BOX * box_loss(found / strides, target / strides, self.box).mean()
            total = total + CLASS * functional.binary_cross_entropy_with_logits(raw[:, 5:], kinds)
            good = iou(found, target).detach()
            flat = (images * output.shape[1] + chosen, good)
            wanted.view(-1).scatter_reduce_(0, *flat, "amax")
        balance = BALANCE if len(self.strides) == len(BALANCE) else (1.0,) * len(self.strides)
        for stride, weight in zip(self.strides, balance, strict=True):
            of_map = places[2][:, 0] == stride
            loss = objectness_loss(output[:, of_map, 4], wanted[:, of_map], self.objectness)
            total = total + OBJECTNESS * weight * loss
        return total


def _boxes(raw: Tensor, cells: Tensor, anchors: Tensor, strides: Tensor) -> Tensor:
    change = 2 * raw.sigmoid()
    centres = (change[..., :2] - 0.5 + cells) * strides
    return from_centres(torch.cat([centres, change[..., 2:].square() * anchors], -1))


def _assigned(truth: Truth, cells: Tensor, anchors: Tensor, strides: Tensor) -> Tensor:
    """Tell for each object and place whether they belong together: (K, P)."""
    sizes = (truth.boxes[:, 2:] - truth.boxes[:, :2])[:, None] / anchors
    fits = torch.maximum(sizes, 1 / sizes.clamp(min=1e-9)).amax(-1) < RATIO
    centres = (truth.boxes[:, :2] + truth.boxes[:, 2:])[:, None] / 2 / strides
    ahead = centres - cells
    here, near = (ahead >= 0) & (ahead < 1), (ahead > -0.5) & (ahead < 1.5)
    return fits & ((near[..., 0] & here[..., 1]) | (here[..., 0] & near[..., 1]))
