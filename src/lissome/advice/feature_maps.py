"""Feature maps while a network runs: their first and second moments, and one of them as a picture."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

_LARGEST_PIXELS = 64  # of a side of a picture
_STILL = 1e-10  # a variance below this share of the mean square is rounding


class Moments:
    """Sums over the pixels of one layer's maps, in double precision.

    Args:
        first_image: The maps of the first image, (C, H, W).
    """

    def __init__(self, first_image: Tensor) -> None:
        channels = len(first_image)
        self.first_image = first_image.detach().float()
        self.pixels = 0
        self._sum = torch.zeros(channels, dtype=torch.float64)
        self._products = torch.zeros(channels, channels, dtype=torch.float64)

    def add(self, maps: Tensor) -> None:
        """Add the maps of an image, (C, H, W)."""
        flat = maps.detach().flatten(1).double()
        self._sum += flat.sum(dim=1)
        self._products += flat @ flat.T
        self.pixels += flat.shape[1]

    def correlation(self) -> tuple[Tensor, Tensor]:
        """Return the correlation of every two channels, and which channels never change; theirs is 0.

        Shape:
            Returns (C, C) float64 in [-1, 1] and (C,) bool.

        Example:
            >>> moments = Moments(torch.zeros(2, 1, 3))
            >>> moments.add(torch.tensor([[[1.0, 2.0, 3.0]], [[5.0, 3.0, 1.0]]]))
            >>> round(float(moments.correlation()[0][0, 1]), 6)
            -1.0
        """
        mean = self._sum / self.pixels
        covariance = self._products / self.pixels - mean[:, None] * mean[None, :]
        variance = covariance.diagonal().clamp(min=0)
        constant = variance <= _STILL * (self._products.diagonal() / self.pixels).clamp(min=1e-30)
        deviation = variance.sqrt().masked_fill(constant, torch.inf)
        return (covariance / (deviation[:, None] * deviation[None, :])).clamp(-1, 1), constant


@contextmanager
def watch_convolutions(model: nn.Module) -> Iterator[dict[str, Moments]]:
    """Collect the moments of the output of every Conv2d that runs inside of the block, in order of first execution.

    A batch must hold one image.
    """
    found: dict[str, Moments] = {}

    def watch(name: str) -> Any:
        def hook(_layer: nn.Module, _inputs: object, output: Tensor) -> None:
            for maps in output:
                found.setdefault(name, Moments(maps)).add(maps)

        return hook

    handles = [
        layer.register_forward_hook(watch(name))
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d)
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def picture_of(one: Tensor) -> str:
    """Return a map (H, W) as a grey PNG data URI, its least value black, its greatest white.

    Example:
        >>> picture_of(torch.eye(4))[:22]
        'data:image/png;base64,'
    """
    if max(one.shape) > _LARGEST_PIXELS:
        scale = _LARGEST_PIXELS / max(one.shape)
        sides = [max(1, round(side * scale)) for side in one.shape]
        one = functional.interpolate(one[None, None], size=sides, mode="area")[0, 0]
    low, high = one.min(), one.max()
    grey = ((one - low) / (high - low).clamp(min=1e-30) * 255).round().to(torch.uint8)
    text = BytesIO()
    Image.fromarray(grey.numpy()).save(text, format="PNG")
    return "data:image/png;base64," + base64.b64encode(text.getvalue()).decode("ascii")
