"""Shapes that follow at once from a layer's settings, for the layers that networks are mostly made of.

Torch can run any operator on tensors without values, at a tenth of a millisecond to several, after loading a second's
worth of modules. What is answered here is answered exactly; whatever is in any way unusual, wrong input above all, is
left to torch, which has the true answer or the true error.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMALIZATIONS: Mapping[type[nn.Module], tuple[int, ...]] = {
    nn.BatchNorm1d: (2, 3),
    nn.BatchNorm2d: (4,),
    nn.BatchNorm3d: (5,),
}
_KEEPING = frozenset(
    (
        *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Sigmoid, nn.SiLU, nn.Tanh, nn.GELU, nn.Hardswish, nn.Hardsigmoid),
        *(nn.Mish, nn.ELU, nn.SELU, nn.Softplus, nn.Identity, nn.Dropout, nn.Dropout2d),
    )
)
_PAIRING = frozenset(("add", "iadd", "mul", "imul", "sub", "isub", "add_", "mul_"))
_CONCATENATING = frozenset(("cat", "concat"))


def quick_result(
    operator: str, layer: nn.Module | None, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Tensor | None:
    """Return the result of a call without values, or None if torch has to be asked.

    Example:
        >>> import torch
        >>> quick_result("conv2d", nn.Conv2d(3, 8, 3), [torch.empty(1, 3, 9, 9, device="meta")], {}).shape
        torch.Size([1, 8, 7, 7])
        >>> quick_result("conv2d", nn.Conv2d(3, 8, 3), [torch.empty(1, 4, 9, 9, device="meta")], {}) is None
        True
    """
    if layer is not None:
        first = args[0] if len(args) == 1 and not kwargs else None
        rule = _RULES.get(type(layer))
        return rule(layer, first) if rule and isinstance(first, Tensor) else None
    if operator in _PAIRING and len(args) == 2 and not kwargs:
        return _paired(*args)
    if operator in _CONCATENATING:
        return _concatenated(*args, **kwargs)
    return None


def _convolved(layer: Any, x: Tensor) -> Tensor | None:
    axes = len(layer.kernel_size)
    usual = x.dim() == axes + 2 and x.shape[1] == layer.in_channels and x.dtype == layer.weight.dtype
    if not usual or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        return None
    settings = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    sides = [_side(*one) for one in zip(x.shape[2:], *settings, strict=True)]
    return x.new_empty((x.shape[0], layer.out_channels, *sides)) if min(sides) > 0 else None


def _pooled(layer: Any, x: Tensor) -> Tensor | None:
    settings = [
        one if isinstance(one, tuple) else (one, one)
        for one in (layer.kernel_size, layer.stride, layer.padding, getattr(layer, "dilation", 1))
    ]
    halved = all(2 * pad <= kernel for pad, kernel in zip(settings[2], settings[0], strict=True))
    if x.dim() != 4 or layer.ceil_mode or getattr(layer, "return_indices", False) or not halved:
        return None
    sides = [_side(*one) for one in zip(x.shape[2:], *settings, strict=True)]
    return x.new_empty((*x.shape[:2], *sides)) if min(sides) > 0 and x.is_floating_point() else None


def _adapted(layer: Any, x: Tensor) -> Tensor | None:
    size = layer.output_size if isinstance(layer.output_size, tuple) else (layer.output_size, layer.output_size)
    if x.dim() != 4 or not x.is_floating_point() or not all(type(one) is int and one > 0 for one in size):
        return None
    return x.new_empty((*x.shape[:2], *size))


def _side(side: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    return (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _fully_connected(layer: Any, x: Tensor) -> Tensor | None:
    if x.dim() == 0 or x.shape[-1] != layer.in_features or x.dtype != layer.weight.dtype:
        return None
    return x.new_empty((*x.shape[:-1], layer.out_features))


def _normalized(layer: Any, x: Tensor) -> Tensor | None:
    usual = x.dim() in _NORMALIZATIONS[type(layer)] and x.shape[1] == layer.num_features
    # Without running statistics the batch itself is measured, which torch refuses for a single value.
    return x if usual and layer.running_mean is not None and x.is_floating_point() else None


def _kept(layer: Any, x: Tensor) -> Tensor | None:
    del layer
    return x if x.is_floating_point() else None


def _paired(left: Any, right: Any) -> Tensor | None:
    if not isinstance(left, Tensor) or not left.is_floating_point():
        return None
    if isinstance(right, Tensor):
        return left if left.shape == right.shape and left.dtype == right.dtype else None
    return left if type(right) in (int, float) else None


def _concatenated(tensors: Any, dim: Any = 0, **rest: Any) -> Tensor | None:
    if rest or type(dim) is not int or not tensors or not all(isinstance(one, Tensor) for one in tensors):
        return None
    first: Tensor = tensors[0]
    if not -first.dim() <= dim < first.dim():
        return None
    dim %= first.dim()
    shape: list[int] = list(first.shape)
    for one in tensors[1:]:
        same = one.dim() == first.dim() and one.dtype == first.dtype
        if not same or any(one.shape[axis] != side for axis, side in enumerate(first.shape) if axis != dim):
            return None
    shape[dim] = sum(one.shape[dim] for one in tensors)
    return first.new_empty(shape)


_RULES: Mapping[type[nn.Module], Callable[[Any, Tensor], Tensor | None]] = {
    **dict.fromkeys(_CONVOLUTIONS, _convolved),
    nn.Linear: _fully_connected,
    **dict.fromkeys(_NORMALIZATIONS, _normalized),
    **dict.fromkeys(_KEEPING, _kept),
    **dict.fromkeys((nn.MaxPool2d, nn.AvgPool2d), _pooled),
    nn.AdaptiveAvgPool2d: _adapted,
}
