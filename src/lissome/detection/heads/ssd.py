"""SSD's head: at each place of six maps some default boxes, each with a change and a class or "nothing".

    x = default x + 0.1·tx · default width      y likewise      width = default width · exp(0.2·tw)      height likewise
    scores = softmax over nothing and the classes, without nothing

In training an object belongs to the default box that overlaps it best, and to all with an IoU above a half. Of the
empty ones only the three worst mistakes for each object count.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lissome.core.errors import SettingError, ShapeError
from lissome.detection.boxes import from_centres
from lissome.detection.heads.head import Head, Truth, grid
from lissome.detection.losses import hard_negatives
from lissome.detection.overlaps import iou

CENTRE, SIZE = 0.1, 0.2
MATCHED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SsdHead(Head):
    """Decodes and trains `models.mobilenet_ssd.MobileNetSsd`.

    Args:
        height: Rows of the network's input, ≥ 1.
        width: Columns of it.
        stride: Of the first map; each of the others is half as large as the one before, rounded up.
        maps: How many maps, ≥ 1.
        smallest: Side of the square default box of the first map, as a share of the picture, (0, 1).
        largest: Of the last map, (smallest, 1].
        ratio: Empty default boxes that count for each object.

    Raises:
        SettingError: A value is out of its range.

    Source:
        Liu et al. 2015, arXiv:1512.02325, Section 2.2, Equations 1 to 4.

    Example:
        >>> SsdHead(height=64, width=64, maps=2).places()[0].shape  # 16 · 3 + 4 · 6
        torch.Size([72, 4])
    """

    height: int = 300
    width: int = 300
    stride: int = 16
    maps: int = 6
    smallest: float = 0.2
    largest: float = 0.95
    ratio: float = 3.0

    def __post_init__(self) -> None:
        for name in ("height", "width", "stride", "maps"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} is {getattr(self, name)}", where="SsdHead", fix="choose at least 1")
        if not 0 < self.smallest < self.largest <= 1:
            raise SettingError(
                f"default boxes from {self.smallest} to {self.largest}",
                where="SsdHead",
                fix="0 < smallest < largest <= 1",
            )

    def check(self, output: Tensor) -> None:
        """Refuse an output of another shape."""
        count = len(self.places()[0])
        if output.ndim != 3 or output.shape[1] != count or output.shape[2] < 6:
            raise ShapeError(
                f"the output is {tuple(output.shape)}",
                where="SsdHead",
                fix=f"give N x {count} x (4 + 1 + classes), or other sides to the head",
            )

    def decode_at(self, output: Tensor, places: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Return the box and the scores of each place."""
        return _boxes(output[..., :4], *places), output[..., 4:].softmax(-1)[..., 1:]

    def loss(self, output: Tensor, labels: Tensor) -> Tensor:
        """Return the losses of classes and boxes over the number of default boxes that have an object."""
        self.check(output)
        (defaults,) = self.places()
        truth = Truth.of(labels)
        owners = self._assigned(truth, defaults, len(output))
        positive = owners >= 0
        images, places = positive.nonzero(as_tuple=True)
        mine = owners[images, places]
        kinds = torch.zeros_like(owners)
        kinds[images, places] = truth.classes[mine] + 1
        entropy = functional.cross_entropy(output[..., 4:].transpose(1, 2), kinds, reduction="none")
        counted = hard_negatives(entropy, positive, ratio=self.ratio)
        total = (entropy * counted).sum()
        if len(mine):
            total = total + functional.smooth_l1_loss(
                output[images, places, :4], _changes(truth.boxes[mine], defaults[places]), reduction="sum"
            )
        return total / max(1, len(mine))

    def places(self) -> tuple[Tensor, ...]:
        """Return centre and size in pixels of each place's default box, (P, 4): map, place, then box.

        The first map has three (the square, twice as wide, twice as high), the others six (those, three times as wide,
        three times as high, and a square between this map's and the next one's).
        """
        steps = max(1, self.maps - 1)
        scales = [self.smallest + (self.largest - self.smallest) * number / steps for number in range(steps + 1)]
        boxes = []
        rows, columns = math.ceil(self.height / self.stride), math.ceil(self.width / self.stride)
        for number, scale in enumerate(scales[: self.maps]):
            ratios = (1.0, 2.0, 0.5) if number == 0 else (1.0, 2.0, 0.5, 3.0, 1 / 3)
            sizes = [(scale * math.sqrt(one), scale / math.sqrt(one)) for one in ratios]
            if number:
                between = math.sqrt(scale * (scales[number + 1] if number < steps else 1.0))
                sizes.append((between, between))
            cells = (grid(rows, columns) + 0.5) / torch.tensor([columns, rows])
            shapes = torch.tensor(sizes)
            pairs = [cells[:, None].expand(-1, len(shapes), -1), shapes[None].expand(len(cells), -1, -1)]
            boxes.append(torch.cat(pairs, -1).reshape(-1, 4))
            rows, columns = (rows + 1) // 2, (columns + 1) // 2
        return (torch.cat(boxes) * torch.tensor([self.width, self.height, self.width, self.height]),)

    def _assigned(self, truth: Truth, defaults: Tensor, count: int) -> Tensor:
        """Return the number of the object each default box of each picture belongs to, or -1: (count, P)."""
        owners = torch.full((count, len(defaults)), -1)
        overlaps = iou(truth.boxes[:, None], from_centres(defaults))
        for image in range(count):
            mine = (truth.images == image).nonzero()[:, 0]
            if len(mine):
                best, which = overlaps[mine].max(0)
                owners[image] = torch.where(best > MATCHED, mine[which], -1)
                owners[image, overlaps[mine].argmax(1)] = mine
        return owners


def _boxes(raw: Tensor, defaults: Tensor) -> Tensor:
    centres = defaults[..., :2] + CENTRE * raw[..., :2] * defaults[..., 2:]
    # Beyond e⁸ times its default a box is the whole picture, and its numbers overflow.
    sizes = defaults[..., 2:] * (SIZE * raw[..., 2:]).clamp(max=8).exp()
    return from_centres(torch.cat([centres, sizes], -1))


def _changes(boxes: Tensor, defaults: Tensor) -> Tensor:
    """Return what a network must say for these boxes: the inverse of `_boxes`."""
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-3)
    moves = (centres - defaults[:, :2]) / defaults[:, 2:] / CENTRE
    return torch.cat([moves, (sizes / defaults[:, 2:]).log() / SIZE], 1)
