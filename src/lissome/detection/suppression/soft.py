"""Soft suppression: what overlaps a better box is believed less, and goes only when it is hardly believed at all.

linear:    s ← s · (1 - IoU)  where IoU > threshold
gaussian:  s ← s · exp(-IoU² / σ)
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from lissome.core.errors import SettingError
from lissome.detection.overlaps import iou
from lissome.detection.suppression.suppression import Kept, Suppression


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftNms(Suppression):
    """Lower the score of boxes that overlap a better one.

    Args:
        kind: "linear" or "gaussian".
        threshold: Of "linear": overlaps up to here cost nothing, [0, 1]. Default 0.45.
        sigma: Of "gaussian": the greater, the milder, > 0. Default 0.5.
        least: Boxes go whose score falls below, ≥ 0. Default 0.001.

    Raises:
        SettingError: A value is out of its range.

    Source:
        Bodla et al. 2017, arXiv:1704.04503, Figure 2 and Equation 3.

    Example:
        >>> boxes, scores = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4], [8, 8, 9, 9]]), torch.tensor([0.9, 0.8, 0.7])
        >>> SoftNms(kind="gaussian")(boxes, scores)[0].tolist()
        [0, 2, 1]
    """

    kind: Literal["linear", "gaussian"] = "gaussian"
    threshold: float = 0.45
    sigma: float = 0.5
    least: float = 0.001

    def __post_init__(self) -> None:
        ranges = {
            "kind": (self.kind in ("linear", "gaussian"), "linear or gaussian"),
            "threshold": (0 <= self.threshold <= 1, "a value in [0, 1]"),
            "sigma": (self.sigma > 0, "a value above 0"),
            "least": (self.least >= 0, "a value of at least 0"),
        }
        for name, (right, wanted) in ranges.items():
            if not right:
                raise SettingError(f"{name} is {getattr(self, name)}", where="SoftNms", fix=f"choose {wanted}")

    def _kept(self, boxes: Tensor, scores: Tensor, groups: Tensor) -> Kept:
        left = (scores >= self.least).nonzero()[:, 0]
        believed = scores[left]
        kept, with_score = [], []
        while len(left):
            # Of equal scores the first: argmax says which of them it takes nowhere.
            best = int((believed == believed.max()).nonzero()[0])
            kept.append(left[best])
            with_score.append(believed[best])
            overlap = iou(boxes[left[best]], boxes[left]) * (groups[left] == groups[left[best]])
            believed = believed * self._factor(overlap)
            stays = believed >= self.least
            stays[best] = False
            left, believed = left[stays], believed[stays]
        return (torch.stack(kept), torch.stack(with_score)) if kept else (left, believed)

    def _factor(self, overlap: Tensor) -> Tensor:
        if self.kind == "gaussian":
            return torch.exp(-overlap.square() / self.sigma)
        return torch.where(overlap > self.threshold, 1 - overlap, torch.ones_like(overlap))
