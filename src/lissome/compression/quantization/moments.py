"""Second moments of what a layer reads: all that the error of its rounded weights depends on.

For one output channel with weights w the squared error of its output is ``(w̃ - w)ᵀ E[x xᵀ] (w̃ - w)``, so images are
read once and the search for a good rounding works on a matrix.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lissome.tracing.patches import unfolded

_MOST_COLUMNS = 1 << 15


@dataclass(frozen=True, slots=True)
class Moments:
    """Of a layer's inputs, a group of channels at a time, with the mean taken out.

    Args:
        rounded: E[x̂ x̂ᵀ] of the inputs it reads, (groups, k, k).
        crossed: E[x̂ xᵀ] of them with the float inputs, (groups, k, k).
    """

    rounded: Tensor
    crossed: Tensor


def moments_of(layer: nn.Conv2d | nn.Linear, inputs: list[Tensor], originals: list[Tensor]) -> Moments:
    """Return the moments of a layer's inputs; of large inputs a sample of the places.

    Args:
        layer: Says which patches are read.
        inputs: Batches of rounded inputs.
        originals: The same in float.
    """
    every = max(1, -(-sum(_places(layer, one) for one in inputs) // _MOST_COLUMNS))
    every += 1 - every % 2 if every > 1 else 0  # odd, so that it does not run along columns
    pairs = [
        (_patches(layer, one, every), _patches(layer, other, every))
        for one, other in zip(inputs, originals, strict=True)
    ]
    count = sum(one.shape[2] for one, _ in pairs)
    means = [torch.stack([pair[side].sum(2) for pair in pairs]).sum(0) / count for side in (0, 1)]
    rounded = torch.zeros(*means[0].shape, means[0].shape[1])
    crossed = torch.zeros_like(rounded)
    for one, other in pairs:
        centred = one - means[0][:, :, None]
        rounded += centred @ centred.transpose(1, 2)
        crossed += centred @ (other - means[1][:, :, None]).transpose(1, 2)
    return Moments(rounded / count, crossed / count)


def _places(layer: nn.Conv2d | nn.Linear, inputs: Tensor) -> int:
    if isinstance(layer, nn.Linear):
        return inputs.numel() // inputs.shape[-1]
    return inputs.shape[0] * inputs.shape[2] * inputs.shape[3] // (layer.stride[0] * layer.stride[1])


def _patches(layer: nn.Conv2d | nn.Linear, inputs: Tensor, every: int) -> Tensor:
    """Return what one output reads, as columns: (groups, k, places)."""
    if isinstance(layer, nn.Linear):
        return inputs.reshape(-1, inputs.shape[-1]).T[None, :, ::every]
    groups = layer.groups
    if layer.kernel_size == (1, 1):
        strided = inputs[:, :, :: layer.stride[0], :: layer.stride[1]]
        columns = strided.transpose(0, 1).flatten(1)[:, ::every]
        return columns.reshape(groups, -1, columns.shape[1])
    parts = torch.split(inputs, max(1, len(inputs) // 8))
    columns = torch.cat([unfolded(layer, one).transpose(0, 1).flatten(1)[:, ::every] for one in parts], 1)
    return columns.reshape(groups, -1, columns.shape[1])
