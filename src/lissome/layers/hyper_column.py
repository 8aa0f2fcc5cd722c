"""Hypercolumn: the maps of several stages, brought to one size and laid side by side, so that a place has them all."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.core.errors import SettingError


class HyperColumn(nn.Module):
    """Concatenate maps at the size of one of them: larger ones are averaged, smaller ones repeated or interpolated.

    Args:
        target: Which map's size all get, counted from the finest, 0.
        mode: How smaller maps grow: "nearest" or "bilinear".

    Raises:
        SettingError: There is no such mode.

    Shape:
        Maps (N, Cᵢ, Hᵢ, Wᵢ) to (N, ΣCᵢ, H, W) of the target.

    Source:
        Hariharan et al. 2015, arXiv:1411.5752, Section 3; joined by concatenation as a skip connection is in
        Ronneberger et al. 2015, arXiv:1505.04597.

    Example:
        >>> HyperColumn(target=1)([torch.zeros(1, 2, 8, 8), torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 2, 2)]).shape
        torch.Size([1, 9, 4, 4])
    """

    def __init__(self, *, target: int = 0, mode: str = "nearest") -> None:
        super().__init__()
        if mode not in ("nearest", "bilinear"):
            raise SettingError(f"mode is {mode}", where="HyperColumn", fix="choose nearest or bilinear")
        self.target, self.mode = target, mode

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the maps side by side."""
        size = maps[self.target].shape[2:]
        fitted = []
        for number, one in enumerate(maps):
            if number < self.target:
                fitted.append(functional.adaptive_avg_pool2d(one, (size[0], size[1])))
            elif number > self.target:
                corners = False if self.mode == "bilinear" else None
                fitted.append(functional.interpolate(one, size=size, mode=self.mode, align_corners=corners))
            else:
                fitted.append(one)
        return torch.cat(fitted, 1)
