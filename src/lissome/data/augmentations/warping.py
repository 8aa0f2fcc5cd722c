"""Move the pixels of each image by a matrix, and its objects with them. What comes in from outside is 0."""

import torch
from torch import Tensor
from torch.nn import functional

from lissome.data.augmentations.objects import has_objects, moved


def about_centre(linear: Tensor, height: int, width: int) -> Tensor:
    """Return matrices that turn and stretch about the centre of the image.

    Shape:
        (N, 2, 2) to (N, 3, 3), column vectors (x, y, 1) in pixels.

    Example:
        >>> (about_centre(2 * torch.eye(2)[None], 4, 4) @ torch.tensor([2.0, 2.0, 1.0])).tolist()
        [[2.0, 2.0, 1.0]]
    """
    centre = linear.new_tensor([width / 2, height / 2])
    return matrices_of(linear, centre - linear @ centre)


def matrices_of(linear: Tensor, shift: Tensor) -> Tensor:
    """Return (N, 3, 3) matrices of (N, 2, 2) linear parts and (N, 2) shifts."""
    last = linear.new_tensor([0.0, 0.0, 1.0]).expand(len(linear), 1, 3)
    return torch.cat([torch.cat([linear, shift[:, :, None]], 2), last], 1)


def warp(images: Tensor, matrices: Tensor) -> Tensor:
    """Return the images after each pixel went where its matrix sends it, bilinear.

    Args:
        images: (N, C, H, W).
        matrices: (N, 3, 3), invertible.
    """
    height, width = images.shape[2:]
    # grid_sample asks where each pixel comes from, in units that run from -1 to 1 between the borders.
    to_pixels = matrices.new_tensor([[width / 2, 0, width / 2], [0, height / 2, height / 2], [0, 0, 1]])
    sources = to_pixels.inverse() @ matrices.inverse() @ to_pixels
    grid = functional.affine_grid(sources[:, :2], list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def warped(images: Tensor, labels: Tensor, matrices: Tensor, least_visible: float) -> tuple[Tensor, Tensor]:
    """Return images and labels after the move; class numbers and shares stay as they are."""
    changed = warp(images, matrices)
    if not has_objects(labels):
        return changed, labels
    height, width = images.shape[2:]
    whole = labels.new_tensor([0, 0, width, height]).expand(len(labels), 4)
    return changed, moved(labels, matrices, whole, least_visible)
