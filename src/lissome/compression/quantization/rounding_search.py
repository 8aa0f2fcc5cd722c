"""Which of the two neighbouring integers each weight takes, so that the layer's output is off by least."""

import torch
from torch import Tensor

_LEARNING_RATE = 0.02
_STRETCH = (-0.1, 1.1)
"""ζ and γ of the rectified sigmoid."""

_MOST_FLIPS = 2000
_WORTH_A_FLIP = 5e-3
"""Error saved, in units of the mean second moment: what is less takes many flips and changes nothing."""


def learned_rounding(target: Tensor, moment: Tensor, levels: int, steps: int) -> Tensor:
    """Return integers near a target that minimise ``Σ (q - t)ᵀ M (q - t)``, all channels at once.

    Each weight goes down or up by a soft variable in [0, 1], found by gradient descent while a regulariser drives it
    to an end; then single weights are flipped for as long as that lowers the error.

    Args:
        target: (groups, channels, k): the weights over their scale.
        moment: (groups, k, k), symmetric and positive semi-definite.
        levels: The greatest integer.
        steps: Of gradient descent, ≥ 0.

    Source:
        Nagel et al. 2020, Up or Down?, arXiv:2004.10568, equations 21 to 24.

    Example:
        Two inputs that are always equal: 0.4 and 0.4 are better rounded to 0 and 1 than to 0 and 0.

        >>> learned_rounding(torch.tensor([[[0.4, 0.4]]]), torch.ones(1, 2, 2), levels=7, steps=0).sum().item()
        1.0
    """
    target = target.clamp(-levels, levels)
    moment = moment / moment.diagonal(dim1=1, dim2=2).mean().clamp_min(1e-20)
    floor = target.floor().clamp(-levels, levels - 1)
    up = (target - floor).clamp(0, 1)
    if steps:
        up = _relaxed(up, floor - target, moment, steps)
    return _polished(floor + (up >= 0.5), target, moment, levels)


def _relaxed(start: Tensor, offset: Tensor, moment: Tensor, steps: int) -> Tensor:
    """Return the soft variables after descent; its gradient is written out, which takes half the time of autograd."""
    low, high = _STRETCH
    variable = torch.logit(((start - low) / (high - low)).clamp(0.01, 0.99))
    mean, square = torch.zeros_like(variable), torch.zeros_like(variable)
    for step in range(1, steps + 1):
        sigmoid = variable.sigmoid()
        stretched = sigmoid * (high - low) + low
        up = stretched.clamp(0, 1)
        slope = (high - low) * sigmoid * (1 - sigmoid) * ((stretched > 0) & (stretched < 1))
        gradient = 2 * (offset + up) @ moment
        done = step / steps
        if done > 0.2:
            beta = 2 + 18 * (0.5 * (1 + torch.cos(torch.tensor((done - 0.2) / 0.8 * torch.pi))))
            away = (2 * up - 1).abs()
            gradient = gradient - 0.1 * done * beta * 2 * away ** (beta - 1) * (2 * up - 1).sign()
        gradient = gradient * slope
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        scaled = (mean / (1 - 0.9**step)) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
        variable = variable - _LEARNING_RATE * 5 * scaled
    return (variable.sigmoid() * (high - low) + low).clamp(0, 1)


def _polished(integers: Tensor, target: Tensor, moment: Tensor, levels: int) -> Tensor:
    """Flip, in every channel at once, the weight whose other neighbour lowers the error most, until none does."""
    diagonal = moment.diagonal(dim1=1, dim2=2)[:, None, :]
    slope = (integers - target) @ moment
    groups = torch.arange(len(integers))[:, None]
    for _ in range(_MOST_FLIPS):
        direction = torch.where(integers > target, -1.0, 1.0)
        gain = 2 * direction * slope + diagonal
        gain = gain.masked_fill((integers + direction).abs() > levels, 0.0)
        least, place = gain.min(dim=2, keepdim=True)
        better = least < -_WORTH_A_FLIP
        if not bool(better.any()):
            break
        moved = direction.gather(2, place) * better
        integers = integers.scatter_add(2, place, moved)
        slope = slope + moved * moment[groups, place.squeeze(2)]
    return integers
