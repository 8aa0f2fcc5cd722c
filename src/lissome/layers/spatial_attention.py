"""Spatial attention: a factor for each place, or for each value.

    SAM of CBAM:    y = x · σ(C₇([mean over channels, max over channels]))      one factor a place
    of YOLOv4:      y = x · σ(C₁(x))                                           one factor a value

The second has no reduction over the channels, which splits engines' fused operators, but costs C² products a place.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from lissome.core.errors import SettingError


class SpatialAttention(nn.Module):
    """SAM: scale each place, or each value, by a factor in [0, 1].

    Args:
        channels: Channels of input and output; of the form "place" any.
        form: "place" is CBAM's, "value" is YOLOv4's.
        kernel_size: Of the form "place"; odd.

    Raises:
        SettingError: The kernel is even.

    Shape:
        (N, channels, H, W) to the same.

    Source:
        Woo et al. 2018, arXiv:1807.06521, Equation 3; Bochkovskiy et al. 2020, arXiv:2004.10934, Figure 5.

    Example:
        >>> SpatialAttention(8)(torch.zeros(1, 8, 6, 6)).shape
        torch.Size([1, 8, 6, 6])
    """

    def __init__(self, channels: int, *, form: Literal["place", "value"] = "place", kernel_size: int = 7) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise SettingError(f"kernel_size is {kernel_size}", where="SpatialAttention", fix="choose an odd number")
        self.by_place = form == "place"
        self.conv = (
            nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)
            if self.by_place
            else nn.Conv2d(channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the input, scaled."""
        seen = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1) if self.by_place else x
        factors: Tensor = self.conv(seen).sigmoid()
        return x * factors
