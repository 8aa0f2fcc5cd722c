"""A detector before and after, as its user sees it: average precision, and the same pictures with the boxes of both."""

import base64
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageOps
from torch import nn

from lissome.core.errors import SettingError
from lissome.core.text_table import render
from lissome.detection.average_precision import Precision, average_precision
from lissome.detection.box_files import BoxFileSplit, read_stretched
from lissome.detection.detect import Runs, detect
from lissome.detection.detections import Selection
from lissome.detection.draw import draw_boxes
from lissome.detection.heads.head import Head

LARGEST_SIDE = 480
"""Pixels of a picture in a report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPicture:
    """One picture with what both found in it.

    Args:
        name: Name of its file.
        pictures: With the boxes of before and after, as JPEG data URIs.
        found: How many boxes each has.
        objects: How many objects there are.
    """

    name: str
    pictures: tuple[str, str]
    found: tuple[int, int]
    objects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorComparison:
    """Two forms of a detector on the same pictures; `lissome.report` shows it.

    Args:
        names: What both are called.
        before: Average precision of the first.
        after: Of the second.
        seen: Pictures with the boxes of both.
    """

    names: tuple[str, str]
    before: Precision
    after: Precision
    seen: tuple[SeenPicture, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain JSON values."""
        return {
            "detectors": list(self.names),
            "precision": [self.before.to_dict(), self.after.to_dict()],
            "seen": [
                {"name": one.name, "pictures": list(one.pictures), "found": list(one.found), "objects": one.objects}
                for one in self.seen
            ],
        }

    def __str__(self) -> str:
        rows = [
            (name, f"{one.ap50:.3f}", f"{one.ap:.3f}")
            for name, one in zip(self.names, (self.before, self.after), strict=True)
        ]
        title = f"{self.before.objects} objects in {self.before.images} pictures"
        return render(("detector", "AP50", "AP"), rows, title=title)


def compare_detectors(
    before: nn.Module | Runs,
    after: nn.Module | Runs,
    split: BoxFileSplit,
    head: Head,
    *,
    class_names: tuple[str, ...] = (),
    names: tuple[str, str] = ("before", "after"),
    pictures: int = 6,
) -> DetectorComparison:
    """Count the average precision of two forms of a detector, and draw what both find.

    Args:
        before: A module, an engine's session, or an artifact's.
        after: The same.
        split: Pictures with their objects.
        head: What the outputs mean.
        class_names: Names by number; without one the number is drawn.
        names: What both are called.
        pictures: How many pictures are drawn, the first ones with objects, ≥ 0.

    Raises:
        SettingError: The number of pictures is below 0.
        BadDataError: There is no object to find, or a picture cannot be read.
        LissomeError: faster-coco-eval is not installed; says the pip line.
    """
    if pictures < 0:
        raise SettingError(f"pictures is {pictures}", where="compare_detectors", fix="choose at least 0")
    networks = (before, after)
    precisions = [average_precision(network, split, head) for network in networks]
    drawn = [place for place, boxes in enumerate(split.shares()) if len(boxes)][:pictures]
    seen = tuple(
        _seen(networks, split, head, split.paths()[place], len(split.shares()[place]), class_names) for place in drawn
    )
    return DetectorComparison(names=names, before=precisions[0], after=precisions[1], seen=seen)


def _seen(
    networks: tuple[nn.Module | Runs, nn.Module | Runs],
    split: BoxFileSplit,
    head: Head,
    path: Path,
    objects: int,
    class_names: tuple[str, ...],
) -> SeenPicture:
    preprocessing = split.preprocessing
    pixels = read_stretched(path, preprocessing)
    images = torch.from_numpy(preprocessing.apply(pixels[None]))
    with Image.open(path) as image:
        picture = ImageOps.exif_transpose(image).convert("RGB")
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    selection = Selection()
    uris, counts = [], []
    for network in networks:
        (found,) = detect(network, images, head, selection)
        fitted = found.scaled(picture.width / preprocessing.width, picture.height / preprocessing.height)
        uris.append(_data_uri(draw_boxes(picture, fitted, class_names, least=selection.least)))
        counts.append(len(found))
    return SeenPicture(name=path.name, pictures=(uris[0], uris[1]), found=(counts[0], counts[1]), objects=objects)


def _data_uri(picture: Image.Image) -> str:
    content = BytesIO()
    picture.save(content, format="JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode("ascii")
