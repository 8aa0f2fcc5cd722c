"""Batch normalisation constants of networks that do not use PyTorch's.

    y = gamma * (x - mean) / sqrt(var + eps) + beta          running = (1 - momentum) · running + momentum · batch

Trained weights only give their accuracy back with the eps they were trained with.
"""

from torch import nn


def set_batch_norm(model: nn.Module, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
    """Give every batch normalisation in `model` these constants, in place.

    Args:
        model: Changed in place; called at the end of a network's constructor.
        eps: Added to the variance, > 0. TensorFlow's networks use 1e-3.
        momentum: Share of the new batch in the running statistics, (0, 1]. TensorFlow's "0.99" is 0.01 here.

    Source:
        Ioffe and Szegedy 2015, arXiv:1502.03167, Algorithm 1.

    Example:
        >>> model = nn.Sequential(nn.BatchNorm2d(4))
        >>> set_batch_norm(model, eps=1e-3)
        >>> model[0].eps
        0.001
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = eps
            module.momentum = momentum
