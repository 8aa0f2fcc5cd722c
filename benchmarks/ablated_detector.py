"""The detector that `detector_ablations.py` takes apart: a trained backbone, one plug-in, YOLO's head on three maps."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from lissome.layers.atrous_pyramid import AtrousPyramid
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.depthwise_separable import DepthwiseSeparable
from lissome.layers.feature_pyramid import FeaturePyramid, PathAggregation
from lissome.layers.hyper_column import HyperColumn
from lissome.layers.initialization import initialize
from lissome.layers.pyramid_pooling import PyramidPooling, PyramidPoolingFast
from lissome.layers.receptive_field import ReceptiveField
from lissome.layers.scale_aggregation import ScaleAggregation
from lissome.layers.spatial_attention import SpatialAttention
from lissome.layers.spatial_fusion import SpatialFusion
from lissome.layers.squeeze_excitation import SqueezeExcitation
from lissome.layers.weighted_pyramid import WeightedPyramid
from lissome.models.fastestdet import FastestDet

STAGES = (48, 96, 192)
STRIDES = (8, 16, 32)
CHANNELS = 64
LEVELS = len(STAGES)
ANCHORS = 3
VALUES = 6
"""Of an anchor: four of the box, objectness, one class."""
PRIOR = 0.01
"""How likely an object is anywhere, as the scores say before training (Lin et al. 2017, arXiv:1708.02002, 4.1)."""


class Backbone(nn.Module):
    """FastestDet's ShuffleNetV2 up to its three maps, which come out as one row of numbers a picture.

    Args:
        detector: Whose backbone it is.
    """

    def __init__(self, detector: FastestDet) -> None:
        super().__init__()
        self.stem = detector.stem
        self.stages = nn.ModuleList([detector.fine, detector.middle, detector.coarse])

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, numbers, 1, 1)."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x.flatten(1))
        return torch.cat(maps, 1)[:, :, None, None]


class Laterals(nn.Module):
    """A 1x1 convolution a map, all to the same channels."""

    def __init__(self, in_channels: tuple[int, ...] = STAGES) -> None:
        super().__init__()
        self.convs = nn.ModuleList(ConvNormActivation(one, CHANNELS, 1) for one in in_channels)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Return the maps with their new channels."""
        return [conv(one) for conv, one in zip(self.convs, maps, strict=True)]


class Each(nn.Module):
    """A layer of its own for each map, or for the coarsest alone."""

    def __init__(self, build: Callable[[], nn.Module], *, coarsest: bool = False) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Identity() if coarsest and level < LEVELS - 1 else build() for level in range(LEVELS)
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Return the changed maps."""
        return [layer(one) for layer, one in zip(self.layers, maps, strict=True)]


class Joined(nn.Module):
    """All maps at the size of each: `build` tells how, by the number of the level."""

    def __init__(self, build: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(build(level) for level in range(LEVELS))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Return one map a level."""
        return [layer(maps) for layer in self.layers]


class TwoPyramids(nn.Module):
    """Two feature pyramids, the second on the first, weighed by SFAM."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = FeaturePyramid(STAGES, CHANNELS), FeaturePyramid((CHANNELS,) * LEVELS, CHANNELS)
        self.weigh = ScaleAggregation(2, CHANNELS, LEVELS)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Return the weighed maps of both, of twice the channels."""
        first = self.first(maps)
        weighed: list[Tensor] = self.weigh([first, self.second(first)])
        return weighed


def _on_coarsest(build: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(Laterals(), Each(build, coarsest=True))


def _on_each(build: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(Laterals(), Each(build))


PLAIN = "plain"
PLUG_INS: Mapping[str, Callable[[], nn.Module]] = {
    PLAIN: Laterals,
    "SPP": _on_coarsest(lambda: PyramidPooling(CHANNELS, CHANNELS)),
    "SPPF": _on_coarsest(lambda: PyramidPoolingFast(CHANNELS, CHANNELS)),
    "ASPP": _on_coarsest(lambda: AtrousPyramid(CHANNELS, CHANNELS, (1, 2, 3))),
    "RFB": _on_coarsest(lambda: ReceptiveField(CHANNELS, CHANNELS)),
    "SE": _on_each(lambda: SqueezeExcitation(CHANNELS, CHANNELS // 4)),
    "SAM, a factor a place": _on_each(lambda: SpatialAttention(CHANNELS)),
    "SAM, a factor a value": _on_each(lambda: SpatialAttention(CHANNELS, form="value")),
    "hypercolumn": lambda: nn.Sequential(
        Joined(lambda level: HyperColumn(target=level)), Laterals((sum(STAGES),) * LEVELS)
    ),
    "FPN": lambda: FeaturePyramid(STAGES, CHANNELS),
    "PAN": lambda: PathAggregation(STAGES, CHANNELS),
    "BiFPN": lambda: nn.Sequential(Laterals(), WeightedPyramid(LEVELS, CHANNELS)),
    "ASFF": lambda: nn.Sequential(Laterals(), Joined(lambda level: SpatialFusion(LEVELS, CHANNELS, level))),
    "SFAM, of two FPNs": lambda: nn.Sequential(TwoPyramids(), Laterals((2 * CHANNELS,) * LEVELS)),
}
"""What stands between the backbone's three maps and the heads. What pools or dilates is on the coarsest map."""


class NeckAndHeads(nn.Module):
    """What is trained: the plug-in, and a light head a map.

    Args:
        plug_in: A name of `PLUG_INS`.
        side: Of the picture.

    Shape:
        What `Backbone` gives to (N, places, 6), as `YoloHead` reads it.
    """

    def __init__(self, plug_in: str, side: int) -> None:
        super().__init__()
        self.sides = [side // stride for stride in STRIDES]
        self.neck = PLUG_INS[plug_in]()
        self.heads = nn.ModuleList(
            nn.Sequential(DepthwiseSeparable(CHANNELS, CHANNELS), nn.Conv2d(CHANNELS, ANCHORS * VALUES, 1))
            for _ in STAGES
        )
        initialize(self)
        for head in self.heads:
            last = head[-1]
            with torch.no_grad():
                last.bias.reshape(ANCHORS, VALUES)[:, 4] = torch.logit(torch.tensor(PRIOR))

    def forward(self, x: Tensor) -> Tensor:
        """Return the raw scores of all places."""
        numbers, start, maps = x.flatten(1), 0, []
        for channels, side in zip(STAGES, self.sides, strict=True):
            end = start + channels * side**2
            maps.append(numbers[:, start:end].reshape(-1, channels, side, side))
            start = end
        rows = []
        for head, one, side in zip(self.heads, self.neck(maps), self.sides, strict=True):
            rows.append(head(one).reshape(-1, ANCHORS, VALUES, side**2).transpose(2, 3).flatten(1, 2))
        return torch.cat(rows, 1)
