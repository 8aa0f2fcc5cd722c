"""Start weights: keep the variance of activations the same from layer to layer, so that deep networks train."""

import torch
from torch import nn


def initialize(model: nn.Module) -> None:
    """Draw the weights of convolutions uniformly with variance 2 / fan-out; zero all biases.

    fan-out = kernel² · C_out / groups. Linear layers keep torch's own start, normalisations theirs (scale 1, shift 0).
    Random numbers come from torch's global generator; `lissome.create(…, seed=…)` seeds it for the call only.

    Args:
        model: Changed in place; called at the end of a network's constructor.

    Source:
        He et al. 2015, arXiv:1502.01852, Equation 14 (the backward form), drawn uniformly for speed.

    Example:
        >>> conv = nn.Conv2d(16, 50, 3)
        >>> initialize(conv)
        >>> bool(abs(conv.weight.std() - (2 / (9 * 50)) ** 0.5) < 0.01)
        True
    """
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
                bound = (6 / fan_out) ** 0.5
                module.weight.uniform_(-bound, bound)
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                module.bias.zero_()
