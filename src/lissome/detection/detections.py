"""What was found in a picture, and how it is made of what a head says of every place."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lissome.core.errors import SettingError
from lissome.core.text_table import render
from lissome.detection.suppression import GreedyNms, Suppression


@dataclass(frozen=True, slots=True)
class Detections:
    """The objects found in one picture, best first.

    Args:
        boxes: Corners in pixels, (K, 4).
        scores: How sure each is, (K,).
        classes: Numbers of the classes, (K,) int64.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.boxes)

    def above(self, least: float) -> "Detections":
        """Return those with at least such a score."""
        sure = self.scores >= least
        return Detections(self.boxes[sure], self.scores[sure], self.classes[sure])

    def scaled(self, horizontal: float, vertical: float) -> "Detections":
        """Return them in a picture of another size.

        Args:
            horizontal: Columns there over columns here.
            vertical: Rows there over rows here.
        """
        factors = self.boxes.new_tensor([horizontal, vertical, horizontal, vertical])
        return Detections(self.boxes * factors, self.scores, self.classes)

    def to_dict(self) -> dict[str, Any]:
        """Return them as plain lists, for JSON."""
        return {name: getattr(self, name).tolist() for name in ("boxes", "scores", "classes")}

    def __str__(self) -> str:
        rows = [
            (str(int(one)), f"{score:.3f}", *(f"{side:.1f}" for side in box))
            for one, score, box in zip(self.classes, self.scores, self.boxes.tolist(), strict=True)
        ]
        return render(("class", "score", "x1", "y1", "x2", "y2"), rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which of a head's many boxes are handed on.

    Args:
        least: Places below this score are no objects, [0, 1]. For average precision take a low one, as 0.001; to show,
            0.3 or so.
        suppression: Leaves one box an object, within each class.
        several_classes: A place may be of several classes; else the best one alone counts.
        limit: At most so many a picture, ≥ 1. COCO's rules count 100.

    Raises:
        SettingError: A value is out of its range.
    """

    least: float = 0.3
    suppression: Suppression = field(default_factory=GreedyNms)
    several_classes: bool = False
    limit: int = 100

    def __post_init__(self) -> None:
        if not 0 <= self.least <= 1:
            raise SettingError(f"least is {self.least}", where="Selection", fix="choose a value in [0, 1]")
        if self.limit < 1:
            raise SettingError(f"limit is {self.limit}", where="Selection", fix="choose at least 1")


def select(boxes: Tensor, scores: Tensor, selection: Selection) -> tuple[Detections, ...]:
    """Return what is found in each picture.

    Args:
        boxes: Corners of every place.
        scores: How sure the head is of each class at each place.
        selection: What is handed on.

    Shape:
        (N, places, 4) and (N, places, classes) to N times up to `limit`.

    Example:
        >>> boxes = torch.tensor([[[0.0, 0, 4, 4], [0, 0, 4, 5], [8, 8, 9, 9]]])
        >>> found, = select(boxes, torch.tensor([[[0.5, 0.1], [0.9, 0.0], [0.1, 0.4]]]), Selection())
        >>> found.classes.tolist(), found.scores.tolist()
        ([0, 1], [0.899..., 0.400...])
    """
    return tuple(_of_one(box, score, selection) for box, score in zip(boxes, scores, strict=True))


def _of_one(boxes: Tensor, scores: Tensor, selection: Selection) -> Detections:
    if selection.several_classes:
        places, classes = (scores >= selection.least).nonzero().T
        sure = scores[places, classes]
    else:
        sure, classes = scores.max(1)
        places = (sure >= selection.least).nonzero()[:, 0]
        sure, classes = sure[places], classes[places]
    kept, believed = selection.suppression(boxes[places], sure, classes)
    kept, believed = kept[: selection.limit], believed[: selection.limit]
    return Detections(boxes[places][kept], believed, classes[kept])


def as_labels(found: Sequence[Detections], least: float = 0.5) -> Tensor:
    """Return detections in the form of labels, padded with class -1: what a teacher saw, to learn from.

    Shape:
        N times (K, …) to (N, most, 5): class, x1, y1, x2, y2.

    Example:
        >>> one = Detections(torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([0.9]), torch.tensor([3]))
        >>> as_labels([one]).tolist()
        [[[3.0, 0.0, 0.0, 4.0, 4.0]]]
    """
    sure = [one.above(least) for one in found]
    labels = torch.full((len(sure), max((len(one) for one in sure), default=0), 5), -1.0)
    for row, one in zip(labels, sure, strict=True):
        row[: len(one)] = torch.cat([one.classes[:, None].float(), one.boxes], 1)
    return labels
