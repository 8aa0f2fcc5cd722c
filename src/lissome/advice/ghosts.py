"""Feature maps that nearly repeat each other: the analysis that GhostNet begins with.

    similarity of channels a and b = |corr(x_a, x_b)|, over all pixels of all images

A trained network makes many maps that another map and a cheap linear operation would give: such channels can be pruned,
or made by a `GhostModule`. Correlation is taken at the convolutions' outputs, before normalisation and activation: both
of a map's scale and offset leave it as it is, and so does a scale below 0, since only its size counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lissome.advice.feature_maps import Moments, picture_of, watch_convolutions
from lissome.core.context import TaskLike
from lissome.core.errors import BadDataError, SettingError
from lissome.core.module_graph import run_once
from lissome.core.text_table import render

_BINS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class GhostPair:
    """Two channels of one layer.

    Args:
        first: Number of a channel.
        second: Number of the channel most like it.
        correlation: In [-1, 1].
        maps: Both maps of the first image as PNG data URIs.
    """

    first: int
    second: int
    correlation: float
    maps: tuple[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return the pair as plain JSON values."""
        names = ("first", "second", "correlation")
        return {name: getattr(self, name) for name in names} | {"maps": list(self.maps)}


@dataclass(frozen=True, slots=True, kw_only=True)
class GhostLayer:
    """What the maps of one convolution have in common.

    Args:
        layer: Path of the convolution.
        similarity: Of each channel with the channel most like it, in [0, 1]; 0 for one that never changes.
        constant: Channels that are the same on every pixel of every image.
        pairs: The most similar pairs, no channel twice.
    """

    layer: str
    similarity: tuple[float, ...]
    constant: tuple[int, ...]
    pairs: tuple[GhostPair, ...]

    @property
    def channels(self) -> int:
        """How many channels it has."""
        return len(self.similarity)

    def ghosts(self, threshold: float) -> int:
        """Return how many channels are at least so similar to another."""
        return sum(one >= threshold for one in self.similarity)

    def histogram(self) -> list[int]:
        """Return how many channels have their best similarity in each twentieth of [0, 1]."""
        counts = [0] * _BINS
        for one in self.similarity:
            counts[min(int(one * _BINS), _BINS - 1)] += 1
        return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Ghosts:
    """Similar channels of every convolution.

    Args:
        name: The network.
        images: How many images it is of.
        threshold: From which similarity on a channel counts as a ghost of another.
        layers: In order of execution; convolutions that make a single pixel are left out.
    """

    name: str
    images: int
    threshold: float
    layers: tuple[GhostLayer, ...]

    @property
    def share(self) -> float:
        """Share of all channels that are a ghost of another."""
        channels = sum(one.channels for one in self.layers)
        return sum(one.ghosts(self.threshold) for one in self.layers) / channels if channels else 0.0

    def __iter__(self) -> Iterator[GhostLayer]:
        return iter(self.layers)

    def to_dict(self) -> dict[str, Any]:
        """Return all figures and the pictures as plain JSON values."""
        return {
            "name": self.name,
            "images": self.images,
            "threshold": self.threshold,
            "share": self.share,
            "ghost_layers": [
                {
                    "layer": one.layer,
                    "channels": one.channels,
                    "ghosts": one.ghosts(self.threshold),
                    "constant": list(one.constant),
                    "similarity": list(one.similarity),
                    "histogram": one.histogram(),
                    "pairs": [pair.to_dict() for pair in one.pairs],
                }
                for one in self.layers
            ],
        }

    def __str__(self) -> str:
        rows = []
        for one in self.layers:
            ghosts = one.ghosts(self.threshold)
            best = one.pairs[0] if one.pairs else None
            pair = f"{best.first} and {best.second}: {best.correlation:+.3f}" if best else ""
            mean = sum(one.similarity) / one.channels
            figures = (str(one.channels), str(ghosts), f"{ghosts / one.channels:.0%}", str(len(one.constant)))
            rows.append((one.layer, *figures, f"{mean:.2f}", pair))
        title = (
            f"{self.name}, {self.images} images: {self.share:.1%} of all channels repeat another (≥ {self.threshold:g})"
        )
        columns = ("layer", "channels", "ghosts", "share", "constant", "mean best", "most similar pair")
        return render(columns, rows, title=title)


def ghosts(
    model: nn.Module,
    images: Tensor | TaskLike,
    *,
    threshold: float = 0.9,
    pairs: int = 2,
    limit: int = 64,
) -> Ghosts:
    """Return which channels of each convolution repeat each other on real images.

    Args:
        model: A module whose convolutions are `torch.nn.Conv2d`; left as it was.
        images: (N, C, H, W), pre-processed, or a task, whose validation images are taken.
        threshold: From which similarity on a channel counts as a ghost, in (0, 1].
        pairs: How many of the most similar pairs to keep the pictures of, ≥ 1.
        limit: At most so many images, ≥ 1.

    Raises:
        SettingError: A setting is out of its range, or the network has no convolution.
        BadDataError: There is no image.
        ShapeError: The network does not take these images.

    Source:
        Han et al. 2020, "GhostNet", arXiv:1911.11907, Figure 1.

    Example:
        >>> model = nn.Conv2d(1, 2, 1)
        >>> with torch.no_grad(): _ = model.weight.copy_(torch.tensor([1.0, -2.0]).reshape(2, 1, 1, 1))
        >>> found = ghosts(model, torch.randn(4, 1, 8, 8))
        >>> [round(pair.correlation, 3) for pair in found.layers[0].pairs]
        [-1.0]
    """
    if not 0 < threshold <= 1 or pairs < 1 or limit < 1:
        raise SettingError(
            f"threshold is {threshold}, pairs {pairs}, limit {limit}",
            where="ghosts",
            fix="choose a threshold in (0, 1], pairs ≥ 1, limit ≥ 1",
        )
    taken = _images(images, limit)
    with watch_convolutions(model) as watched:
        for one in taken[:, None]:
            run_once(model, (one,))
    layers = tuple(_layer(name, moments, pairs) for name, moments in watched.items() if moments.pixels > len(taken))
    if not layers:
        raise SettingError("has no convolution that makes a map", where=type(model).__name__, fix="give a CNN")
    return Ghosts(name=type(model).__name__, images=len(taken), threshold=threshold, layers=layers)


def _images(images: Tensor | TaskLike, limit: int) -> Tensor:
    if not isinstance(images, Tensor):
        batch = next(iter(images.validation.batches(limit, limit=limit)), None)
        images = torch.empty(0) if batch is None else batch[0]
    if len(images) == 0:
        raise BadDataError("there is no image", where="ghosts", fix="give images (N, C, H, W)")
    return images[:limit]


def _layer(name: str, moments: Moments, pairs: int) -> GhostLayer:
    correlation, constant = moments.correlation()
    similarity = correlation.abs().fill_diagonal_(0.0)
    best = similarity.amax(dim=1) if len(similarity) > 1 else torch.zeros(len(similarity))
    return GhostLayer(
        layer=name,
        similarity=tuple(best.tolist()),
        constant=tuple(constant.nonzero().flatten().tolist()),
        pairs=tuple(_pairs(similarity, correlation, moments.first_image, pairs)),
    )


def _pairs(similarity: Tensor, correlation: Tensor, maps: Tensor, count: int) -> Iterator[GhostPair]:
    left = similarity.triu(1)
    for _ in range(count):
        flat = int(left.argmax())
        first, second = divmod(flat, len(left))
        if left[first, second] <= 0:
            return
        yield GhostPair(
            first=first,
            second=second,
            correlation=float(correlation[first, second]),
            maps=(picture_of(maps[first]), picture_of(maps[second])),
        )
        for one in (first, second):
            left[one, :], left[:, one] = 0.0, 0.0
