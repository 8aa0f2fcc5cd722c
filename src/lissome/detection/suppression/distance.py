"""Greedy suppression by distance IoU: of two boxes that overlap, a far centre speaks for two objects."""

from dataclasses import dataclass

from torch import Tensor

from lissome.core.errors import SettingError
from lissome.detection.overlaps import diou
from lissome.detection.suppression.in_blocks import suppress_in_blocks
from lissome.detection.suppression.suppression import Kept, Suppression


@dataclass(frozen=True, slots=True, kw_only=True)
class DistanceNms(Suppression):
    """Drop every box whose DIoU with a better one that stays is above a threshold.

    Args:
        threshold: In [-1, 1]. Default 0.45.

    Raises:
        SettingError: The threshold is out of its range.

    Source:
        Zheng et al. 2020, arXiv:1911.08287, Equation 13.

    Example:
        >>> import torch
        >>> side_by_side = torch.tensor([[0.0, 0, 10, 10], [3, 0, 13, 10]])  # IoU 0.54, DIoU 0.51
        >>> [len(DistanceNms(threshold=one)(side_by_side, torch.tensor([0.9, 0.8]))[0]) for one in (0.5, 0.52)]
        [1, 2]
    """

    threshold: float = 0.45

    def __post_init__(self) -> None:
        if not -1 <= self.threshold <= 1:
            raise SettingError(f"threshold is {self.threshold}", where="DistanceNms", fix="choose a value in [-1, 1]")

    def _kept(self, boxes: Tensor, scores: Tensor, groups: Tensor) -> Kept:
        def exceeds(some: Tensor, others: Tensor) -> Tensor:
            return diou(some[:, None], others).gt_(self.threshold)

        kept = suppress_in_blocks(boxes, scores, groups, exceeds)
        return kept, scores[kept]
