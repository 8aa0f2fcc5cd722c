"""The task of a detector: pictures with boxes, the loss of its head, and a score of each picture to choose by."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lissome.core.errors import BadDataError, SettingError
from lissome.core.preprocessing import Preprocessing
from lissome.data.task import Task
from lissome.detection.box_files import BoxFileSplit, box_file_split
from lissome.detection.detections import Detections, Selection, select
from lissome.detection.heads.head import Head
from lissome.detection.overlaps import iou


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchScore:
    """Scores each picture by what was found in it: twice the right boxes over the boxes found and the objects (F1).

    Average precision is of many pictures together and cannot be a mean over them; this can, and so serves a `Task`'s
    metric, by which training chooses its best epoch. Report `average_precision`.

    Args:
        head: What the output means.
        selection: Which boxes count.
        overlap: A box is right that has the class of an object not found yet, and at least such an IoU with it.

    Shape:
        The network's output and labels as `Truth` reads them to (N,); 1 for an empty picture where nothing was found.
    """

    head: Head
    selection: Selection = field(default_factory=Selection)
    overlap: float = 0.5

    def __call__(self, output: Tensor, labels: Tensor) -> Tensor:
        """Return the score of each picture."""
        found = select(*self.head.decode(output), self.selection)
        truth = [row[row[:, 0] >= 0] for row in labels]
        return torch.tensor([self._of_one(one, objects) for one, objects in zip(found, truth, strict=True)])

    def _of_one(self, found: Detections, objects: Tensor) -> float:
        if not len(found) and not len(objects):
            return 1.0
        free = torch.ones(len(objects), dtype=torch.bool)
        right = 0
        overlaps = iou(found.boxes[:, None], objects[:, 1:])
        fits = (overlaps >= self.overlap) & (found.classes[:, None] == objects[:, 0].long())
        for row, allowed in zip(overlaps, fits, strict=True):
            candidates = (allowed & free).nonzero()[:, 0]
            if len(candidates):
                free[candidates[row[candidates].argmax()]] = False
                right += 1
        return 2 * right / (len(found) + len(objects))


def box_task(
    train: BoxFileSplit, test: BoxFileSplit, head: Head, *, class_names: tuple[str, ...], seed: int = 0
) -> Task:
    """Make the task of a detector; a fifth of the training pictures is held out for choices.

    Args:
        train: Pictures to learn from.
        test: Pictures for the final figure.
        head: Gives the loss, and the metric by `MatchScore`.
        class_names: One name a class.
        seed: Decides what is held out.

    Raises:
        BadDataError: There are fewer than two pictures to learn from.
        SettingError: The head is for another input than the pictures have.
    """
    if len(train) < 2:
        raise BadDataError(f"there are {len(train)} pictures to learn from", where="box_task", fix="give more")
    sides = (train.preprocessing.height, train.preprocessing.width)
    if sides != (head.height, head.width):
        raise SettingError(
            f"pictures become {sides[0]} x {sides[1]}, the head is for {head.height} x {head.width}",
            where="box_task",
            fix="give both the same sides",
        )
    order = np.random.default_rng(seed).permutation(len(train))
    held_out = max(1, len(train) // 5)
    return Task(
        train=train.subset(np.sort(order[held_out:])),
        validation=train.subset(np.sort(order[:held_out])),
        test=test,
        class_names=class_names,
        preprocessing=train.preprocessing,
        loss=head.loss,
        metric=MatchScore(head=head),
    )


def coco128_task(head: Head, path: str | os.PathLike[str] | None = None, *, seed: int = 0) -> Task:
    """Make a task of COCO's first pictures: 128 of train2017 to learn from and to choose by, 128 of val2017 to test on.

    Args:
        head: Says the input's size; pixels are divided by 255 alone.
        path: A folder with images/train2017, images/val2017, labels_yolo/… and config.yaml; None looks for `coco128` in
            the folder LISSOME_DATA names, else in ../shared/data.
        seed: Decides what is held out.

    Raises:
        BadDataError: There is no such folder, or a file in it cannot be read.

    Source:
        Lin et al. 2014, arXiv:1405.0312; annotations CC BY 4.0.
    """
    data = Path(os.environ.get("LISSOME_DATA") or Path("..", "shared", "data"))
    folder = data / "coco128" if path is None else Path(path)
    names = _class_names(folder / "config.yaml")
    preprocessing = Preprocessing(channels=3, height=head.height, width=head.width)
    train, test = (
        box_file_split(folder / "images" / part, folder / "labels_yolo" / part, preprocessing, len(names))
        for part in ("train2017", "val2017")
    )
    return box_task(train, test, head, class_names=names, seed=seed)


def _class_names(path: Path) -> tuple[str, ...]:
    """Read the lines ``number: name`` of a YOLO configuration."""
    if not path.is_file():
        raise BadDataError("there is no such file", where=str(path), fix="give the folder of coco128, or LISSOME_DATA")
    rows = re.findall(r"^\s+(\d+): *(.+?)\s*$", path.read_text(encoding="utf-8"), re.MULTILINE)
    names = tuple(name for _, name in rows)
    if not names or [int(number) for number, _ in rows] != list(range(len(names))):
        raise BadDataError("has no names numbered from 0", where=str(path), fix="write lines such as `  0: person`")
    return names
