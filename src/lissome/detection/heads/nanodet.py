"""NanoDet's head: no anchors; each side's distance from the place is the mean of a learnt distribution.

    distance = stride · Σ k · softmax(t)_k, k = 0 … bins - 1          score of a class = σ(class)

A distribution can be flat where a side is hard to see, and the class's score learns how good the box is, so that one
number does for sorting. In training objects get places by ATSS: of the nine nearest places of each map those whose
square of five strides overlaps the object better than the mean plus one deviation of all of them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lissome.core.errors import SettingError, ShapeError
from lissome.core.hardness import focal
from lissome.detection.boxes import from_centres, from_distances
from lissome.detection.heads.head import Head, Truth, grid
from lissome.detection.losses import BoxLoss, box_loss
from lissome.detection.overlaps import iou

NEAREST = 9
SQUARE = 5
BOX, DISTRIBUTION, GAMMA = 2.0, 0.25, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NanoDetHead(Head):
    """Decodes and trains `models.nanodet_like.NanoDetLike`.

    Args:
        height: Rows of the network's input, a multiple of the largest stride.
        width: Columns of it.
        strides: Of the maps, finest first.
        bins: Values a distance's distribution is over, ≥ 2.
        box: Which loss the boxes get, in strides of their map.

    Raises:
        SettingError: A side does not fit the strides, or there are too few bins.

    Source:
        Li et al. 2020 (generalised focal loss), arXiv:2006.04388, Equations 5 and 6; assignment: Zhang et al. 2019
        (ATSS), arXiv:1912.02424, Algorithm 1; NanoDet, github.com/RangiLyu/nanodet.

    Example:
        >>> head = NanoDetHead(height=64, width=64)
        >>> boxes, scores = head.decode(torch.zeros(1, 84, 80 + 4 * 8))
        >>> boxes[0, 0].tolist()  # all distances 3.5 strides of 8 around (4, 4)
        [-24.0, -24.0, 32.0, 32.0]
    """

    height: int = 320
    width: int = 320
    strides: tuple[int, ...] = (8, 16, 32)
    bins: int = 8
    box: BoxLoss = "giou"

    def __post_init__(self) -> None:
        largest = max(self.strides)
        if min(self.height, self.width) < largest or self.height % largest or self.width % largest:
            raise SettingError(
                f"the input is {self.height} x {self.width}", where="NanoDetHead", fix=f"choose multiples of {largest}"
            )
        if self.bins < 2:
            raise SettingError(f"bins is {self.bins}", where="NanoDetHead", fix="choose at least 2")

    def check(self, output: Tensor) -> None:
        """Refuse an output of another shape."""
        count = sum(self.height // stride * (self.width // stride) for stride in self.strides)
        if output.ndim != 3 or output.shape[1] != count or output.shape[2] <= 4 * self.bins:
            raise ShapeError(
                f"the output is {tuple(output.shape)}",
                where="NanoDetHead",
                fix=f"give N x {count} x (classes + {4 * self.bins}), or other sides to the head",
            )

    def places(self) -> tuple[Tensor, ...]:
        """Return the middle (P, 2) and the stride (P, 1) of each place, and what each bin stands for."""
        points, strides = [], []
        for stride in self.strides:
            cells = grid(self.height // stride, self.width // stride)
            points.append((cells + 0.5) * stride)
            strides.append(torch.full((len(cells), 1), float(stride)))
        return torch.cat(points), torch.cat(strides), torch.arange(self.bins).float()

    def decode_at(self, output: Tensor, places: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Return the box and the scores of each place."""
        sides = 4 * self.bins
        return self._boxes(output[..., -sides:], *places), output[..., :-sides].sigmoid()

    def loss(self, output: Tensor, labels: Tensor) -> Tensor:
        """Return the weighted sum of the losses of classes, boxes and distributions."""
        self.check(output)
        points, strides, steps = self.places()
        classes = output.shape[2] - 4 * self.bins
        truth = Truth.of(labels)
        images, chosen, owners = self._assigned(truth, points, strides, len(output))
        quality = torch.zeros_like(output[..., :classes])
        count = max(1, len(owners))
        total = output.new_zeros(())
        if len(owners):
            raw, target = output[images, chosen, classes:], truth.boxes[owners]
            found = self._boxes(raw, points[chosen], strides[chosen], steps)
            good = iou(found, target).detach()
            quality[images, chosen, truth.classes[owners]] = good
            total = BOX * box_loss(found / strides[chosen], target / strides[chosen], self.box).mean()
            total = total + DISTRIBUTION * self._distribution_loss(raw, target, points[chosen], strides[chosen])
        entropy = functional.binary_cross_entropy_with_logits(output[..., :classes], quality, reduction="none")
        wrong = (quality - output[..., :classes].sigmoid()).abs()
        return total + focal(entropy, wrong, GAMMA).sum() / count

    def _distribution_loss(self, raw: Tensor, target: Tensor, points: Tensor, strides: Tensor) -> Tensor:
        """Pull the two bins around each true distance up, the nearer one more (Equation 6)."""
        distances = torch.cat([points - target[:, :2], target[:, 2:] - points], 1) / strides
        distances = distances.clamp(0, self.bins - 1 - 0.01).reshape(-1)
        low = distances.long()
        share = distances - low
        logits = raw.reshape(-1, self.bins)
        losses = functional.cross_entropy(logits, low, reduction="none") * (1 - share)
        return (losses + functional.cross_entropy(logits, low + 1, reduction="none") * share).mean()

    def _boxes(self, raw: Tensor, points: Tensor, strides: Tensor, steps: Tensor) -> Tensor:
        shares = raw.reshape(*raw.shape[:-1], 4, self.bins).softmax(-1)
        return from_distances(points, (shares * steps).sum(-1) * strides)

    def _assigned(self, truth: Truth, points: Tensor, strides: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return picture, place and object of each pair that belongs together; a place belongs to one object."""
        if not len(truth):
            none = torch.zeros(0, dtype=torch.int64)
            return none, none, none
        squares = from_centres(torch.cat([points, SQUARE * strides.expand(-1, 2)], 1))
        overlaps = iou(truth.boxes[:, None], squares)
        middles = (truth.boxes[:, :2] + truth.boxes[:, 2:]) / 2
        far = (middles[:, None] - points).square().sum(-1)
        candidates = torch.zeros_like(overlaps, dtype=torch.bool)
        for stride in self.strides:
            of_map = (strides[:, 0] == stride).nonzero()[:, 0]
            nearest = far[:, of_map].topk(min(NEAREST, len(of_map)), largest=False).indices
            candidates.scatter_(1, of_map[nearest], torch.ones_like(nearest, dtype=torch.bool))
        of_candidates = overlaps.masked_fill(~candidates, torch.nan)
        mean = of_candidates.nanmean(1, keepdim=True)
        deviation = (of_candidates - mean).square().nanmean(1, keepdim=True).sqrt()
        inside = ((points >= truth.boxes[:, None, :2]) & (points <= truth.boxes[:, None, 2:])).all(-1)
        chosen = candidates & (overlaps >= mean + deviation) & inside
        # Of several objects at one place of one picture the one that overlaps best.
        best = torch.full((count, len(points)), -1.0, dtype=overlaps.dtype)
        owners = torch.full((count, len(points)), -1)
        for number in range(len(truth)):
            image = int(truth.images[number])
            better = chosen[number] & (overlaps[number] > best[image])
            best[image, better], owners[image, better] = overlaps[number, better], number
        images, places = (owners >= 0).nonzero(as_tuple=True)
        return images, places, owners[images, places]
