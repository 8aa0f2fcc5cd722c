"""Greedy non-maximum suppression: the best box stays, what overlaps it goes."""

from dataclasses import dataclass
from functools import partial

from torch import Tensor

from lissome.core.errors import SettingError
from lissome.detection.suppression.in_blocks import iou_exceeds, suppress_in_blocks
from lissome.detection.suppression.suppression import Kept, Suppression


@dataclass(frozen=True, slots=True, kw_only=True)
class GreedyNms(Suppression):
    """Drop every box whose IoU with a better one that stays is above a threshold.

    Args:
        threshold: In [0, 1]. Default 0.45.

    Raises:
        SettingError: The threshold is out of its range.

    Source:
        Felzenszwalb et al. 2010, "Object Detection with Discriminatively Trained Part-Based Models", Section 4.4; as a
        matrix: see `in_blocks`.

    Example:
        >>> import torch
        >>> boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 5], [8, 8, 9, 9]])
        >>> GreedyNms()(boxes, torch.tensor([0.5, 0.9, 0.1]))[0].tolist()
        [1, 2]
    """

    threshold: float = 0.45

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise SettingError(f"threshold is {self.threshold}", where="GreedyNms", fix="choose a value in [0, 1]")

    def _kept(self, boxes: Tensor, scores: Tensor, groups: Tensor) -> Kept:
        kept = suppress_in_blocks(boxes, scores, groups, partial(iou_exceeds, threshold=self.threshold))
        return kept, scores[kept]
