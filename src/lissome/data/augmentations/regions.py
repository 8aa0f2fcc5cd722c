"""Rectangles of images: which pixels they hold."""

import torch
from torch import Tensor


def inside(regions: Tensor, height: int, width: int) -> Tensor:
    """Return which pixels have their centre in a rectangle.

    Args:
        regions: Corners x1, y1, x2, y2 in pixels, (N, 4).
        height: Rows.
        width: Columns.

    Shape:
        Returns (N, 1, height, width), boolean.

    Example:
        >>> inside(torch.tensor([[0.0, 0, 2, 1]]), 2, 3)[0, 0].tolist()
        [[True, True, False], [False, False, False]]
    """
    x1, y1, x2, y2 = regions.T[:, :, None]
    columns, rows = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    across, down = (columns >= x1) & (columns < x2), (rows >= y1) & (rows < y2)
    held: Tensor = (down[:, :, None] & across[:, None, :])[:, None]
    return held


def areas_of(regions: Tensor) -> Tensor:
    """Return the area of each, (N,), 0 for those whose corners are the wrong way round."""
    return (regions[:, 2:] - regions[:, :2]).clamp(min=0).prod(1)


def draw_regions(shares: Tensor, height: int, width: int, aspects: Tensor, generator: torch.Generator) -> Tensor:
    """Return rectangles of some shares of the area, anywhere, cut at the border of the image.

    Args:
        shares: Of the area, before cutting, (N,).
        height: Of the image.
        width: Of the image.
        aspects: Width over height beside that of the image, (N,).
        generator: Draws the centres.

    Shape:
        Returns corners in whole pixels, (N, 4).
    """
    half = torch.stack([(shares * aspects).sqrt() * width, (shares / aspects).sqrt() * height], 1) / 2
    size = half.new_tensor([width, height])
    centres = torch.rand(len(shares), 2, generator=generator) * size
    low, high = (centres - half).round(), (centres + half).round()
    return torch.cat([torch.minimum(low.clamp(min=0), size), torch.minimum(high.clamp(min=0), size)], 1)
