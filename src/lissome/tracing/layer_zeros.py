"""Zeros in the shape of what costly layers make: running a network on labels needs shapes, and no numbers."""

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def zeros_of(layer: nn.Module, *inputs: object) -> Tensor | None:
    """Return zeros instead of a layer's output; None where the layer should be called.

    A layer is called if it is no plain convolution or normalisation, if its input does not fit, so that it says why, or
    if something is hooked to it.

    Example:
        >>> import torch
        >>> zeros_of(nn.Conv2d(3, 8, 3, stride=2, padding=1), torch.ones(1, 3, 9, 8)).shape
        torch.Size([1, 8, 5, 4])
        >>> zeros_of(nn.Conv2d(3, 8, 3), torch.ones(1, 4, 9, 8)) is None
        True
    """
    if len(inputs) != 1 or not isinstance(inputs[0], Tensor) or layer._forward_hooks or layer._forward_pre_hooks:
        return None
    x = inputs[0]
    if isinstance(layer, _BatchNorm):
        # What it makes has the shape of what it reads, which nobody changes in place: numbers do not matter.
        return x if not layer.training and x.dim() > 1 and x.shape[1] == layer.num_features else None
    return _convolved(layer, x) if type(layer) in _CONVOLUTIONS else None


def _convolved(layer: nn.Module, x: Tensor) -> Tensor | None:
    assert isinstance(layer, _CONVOLUTIONS)
    fits = x.dim() == len(layer.kernel_size) + 2 and x.shape[1] == layer.in_channels and x.dtype == layer.weight.dtype
    if not fits or isinstance(layer.padding, str):
        return None
    sides = [
        (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        for size, kernel, stride, padding, dilation in zip(
            x.shape[2:], layer.kernel_size, layer.stride, layer.padding, layer.dilation, strict=True
        )
    ]
    return x.new_zeros(len(x), layer.out_channels, *sides) if min(sides) > 0 else None
