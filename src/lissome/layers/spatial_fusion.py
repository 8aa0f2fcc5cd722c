"""ASFF: each map of a pyramid becomes a mean of all of them, with weights that each place chooses.

    y_l(place) = Σₙ α_n(place) · x_{n→l}(place)         α = softmax over n of 1x1 convolutions of the x_{n→l}

Where a fine and a coarse map contradict each other about a place (an object of one, background of the other), the place
decides whom to listen to, which a plain sum cannot.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.core.errors import SettingError
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.feature_pyramid import grown_to, require_levels

DECIDING = 8
"""Channels of which the weights are computed, as in the authors' code."""


class SpatialFusion(nn.Module):
    """ASFF at one level of a pyramid whose maps all have the same channels.

    Args:
        levels: How many maps, ≥ 2.
        channels: Channels of all maps.
        level: Which map's size the result has, counted from the finest, 0.

    Raises:
        SettingError: There are fewer than two maps, or there is no such level.

    Shape:
        `levels` maps (N, channels, Hᵢ, Wᵢ), finest first and each half as large as the one before, to
        (N, channels, H, W) of the level.

    Source:
        Liu et al. 2019, arXiv:1911.09516, Equations 1 to 3.

    Example:
        >>> SpatialFusion(3, 8, 1)([torch.zeros(1, 8, side, side) for side in (8, 4, 2)]).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(self, levels: int, channels: int, level: int) -> None:
        super().__init__()
        require_levels((channels,) * levels, "SpatialFusion")
        if not 0 <= level < levels:
            raise SettingError(
                f"level is {level}", where="SpatialFusion", fix=f"choose one of 0 … {levels - 1}, the finest first"
            )
        self.level = level
        self.fits = nn.ModuleList()
        for one in range(levels):
            steps = max(0, level - one)
            halving = [ConvNormActivation(channels, channels, 3, stride=2) for _ in range(steps)]
            self.fits.append(nn.Sequential(*halving) if halving else ConvNormActivation(channels, channels, 1))
        self.opinions = nn.ModuleList(ConvNormActivation(channels, DECIDING, 1) for _ in range(levels))
        self.decision = nn.Conv2d(levels * DECIDING, levels, 1)
        self.expand = ConvNormActivation(channels, channels, 3)

    def weights(self, fitted: Sequence[Tensor]) -> Tensor:
        """Return what each place makes of each map: (N, levels, H, W), adding up to 1."""
        opinions = [opinion(one) for opinion, one in zip(self.opinions, fitted, strict=True)]
        scores: Tensor = self.decision(torch.cat(opinions, 1))
        return functional.softmax(scores, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the weighted mean, expanded."""
        fitted = [fit(one) for fit, one in zip(self.fits, maps, strict=True)]
        fitted = [grown_to(one, maps[self.level]) for one in fitted]
        weights = self.weights(fitted)
        total = fitted[0] * weights[:, :1]
        for number in range(1, len(fitted)):
            total = total + fitted[number] * weights[:, number : number + 1]
        mixed: Tensor = self.expand(total)
        return mixed
