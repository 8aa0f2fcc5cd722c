"""How well a detector finds things: average precision by COCO's rules, counted by faster-coco-eval."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from lissome.core.errors import BadDataError, LissomeError
from lissome.core.progress import Progress, Silent, track
from lissome.core.text_table import render
from lissome.detection.box_files import Boxes, BoxFileSplit
from lissome.detection.detect import Runs, detect
from lissome.detection.detections import Detections, Selection
from lissome.detection.heads.head import Head

COUNTED = Selection(least=0.001)
"""What average precision is counted of: doubtful boxes too, for it is about their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """Average precision of a detector.

    Args:
        ap50: Mean over the classes of the precision averaged over recall, boxes counting from an IoU of 0.5, [0, 1].
        ap: The same, averaged over IoUs of 0.5, 0.55 … 0.95.
        small: `ap` of objects of less than 32x32 pixels; None where there is none.
        medium: Of those up to 96x96.
        large: Of larger ones.
        images: Pictures counted.
        objects: Objects in them.
    """

    ap50: float
    ap: float
    small: float | None
    medium: float | None
    large: float | None
    images: int
    objects: int

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __str__(self) -> str:
        sized = ("-" if one is None else f"{one:.3f}" for one in (self.small, self.medium, self.large))
        row = (f"{self.ap50:.3f}", f"{self.ap:.3f}", *sized)
        title = f"{self.objects} objects in {self.images} pictures"
        return render(("AP50", "AP", "small", "medium", "large"), [row], title=title)


def average_precision(
    network: nn.Module | Runs,
    split: BoxFileSplit,
    head: Head,
    *,
    selection: Selection = COUNTED,
    batch_size: int = 16,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Precision:
    """Run a detector over pictures and count, in pixels of their files.

    Args:
        network: A module, an engine's session, or an artifact's: the figure is that of what runs.
        split: Pictures with their objects.
        head: What the output means.
        selection: Which boxes count.
        batch_size: Pictures a batch, ≥ 1.
        limit: At most so many pictures; None takes all.
        progress: Who watches; None is nobody.

    Raises:
        BadDataError: There is no object to find.
        LissomeError: faster-coco-eval is not installed; says the pip line.
    """
    sizes, shares = split.sizes()[:limit], split.shares()[:limit]
    found: list[Detections] = []
    preprocessing = split.preprocessing
    batches = split.batches(batch_size, limit=limit)
    for images, _ in track(batches, progress or Silent(), "detect", -(-len(sizes) // batch_size)):
        for one in detect(network, images, head, selection):
            rows, columns = sizes[len(found)]
            found.append(one.scaled(columns / preprocessing.width, rows / preprocessing.height))
    return count_precision(found, shares, sizes)


def count_precision(
    found: Sequence[Detections], shares: Sequence[Boxes], sizes: Sequence[tuple[int, int]]
) -> Precision:
    """Count average precision of what was found.

    Args:
        found: For each picture, in its pixels.
        shares: The objects of each picture, (K, 5): class, x1, y1, x2, y2 as shares of its sides.
        sizes: Height and width of each picture.

    Raises:
        BadDataError: There is no object to find.
        LissomeError: faster-coco-eval is not installed; says the pip line.
    """
    objects = sum(len(one) for one in shares)
    if not objects:
        raise BadDataError("there is no object to find", where="average_precision", fix="give pictures with labels")
    coco, evaluator = _counters()
    classes = sorted({int(kind) for one in shares for kind in one[:, 0]})
    truth = {
        "info": {},
        "images": [{"id": image, "height": rows, "width": columns} for image, (rows, columns) in enumerate(sizes)],
        "categories": [{"id": kind, "name": str(kind)} for kind in classes],
        "annotations": _annotations(shares, sizes),
    }
    rows = _rows(found, set(classes))
    if not len(rows):
        return Precision(ap50=0, ap=0, small=None, medium=None, large=None, images=len(sizes), objects=objects)
    # The counter prints; a library does not.
    with contextlib.redirect_stdout(io.StringIO()):
        expected = coco(truth)
        counted = evaluator(expected, expected.loadRes(rows), "bbox")
        counted.run()
    stats = [float(one) for one in counted.stats[:6]]
    small, medium, large = (one if one >= 0 else None for one in stats[3:6])
    return Precision(
        ap50=stats[1], ap=stats[0], small=small, medium=medium, large=large, images=len(sizes), objects=objects
    )


def _counters() -> tuple[Any, Any]:
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError as error:
        raise LissomeError(
            "faster-coco-eval is not installed", where="average_precision", fix='pip install "lissome[detection]"'
        ) from error
    return COCO, COCOeval_faster


def _annotations(shares: Sequence[Boxes], sizes: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    annotations: list[dict[str, Any]] = []
    for image, (boxes, (rows, columns)) in enumerate(zip(shares, sizes, strict=True)):
        for kind, x1, y1, x2, y2 in (boxes * np.array([1, columns, rows, columns, rows])).tolist():
            width, height = x2 - x1, y2 - y1
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(kind),
                    "bbox": [x1, y1, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                }
            )
    return annotations


def _rows(found: Sequence[Detections], classes: set[int]) -> list[dict[str, Any]]:
    """Return what was found as COCO's results; classes that no picture has an object of count for nothing there."""
    return [
        {"image_id": image, "category_id": kind, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": score}
        for image, one in enumerate(found)
        for (x1, y1, x2, y2), score, kind in zip(*map(_listed, (one.boxes, one.scores, one.classes)), strict=True)
        if kind in classes
    ]


def _listed(values: Tensor) -> list[Any]:
    listed: list[Any] = values.tolist()
    return listed
