"""What the weights of a layer meet: the rows it reads on training images, and their products."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.core.context import Context
from lissome.core.module_graph import evaluation_mode

LARGEST = 8192
"""Columns of the largest system that is solved: its matrix takes 256 MiB."""

_DAMPING = 1e-4
_BATCH = 64


def obstacle(layer: nn.Module) -> str | None:
    """Return why a layer's output is no matrix times the rows it reads; None where it is, and small enough.

    Example:
        >>> obstacle(nn.Conv2d(8, 8, 3)), obstacle(nn.Conv2d(8, 8, 3, groups=8))
        (None, 'least squares is for linear layers and convolutions with one group and numeric padding')
    """
    if isinstance(layer, nn.Linear):
        columns = layer.in_features
    elif (
        isinstance(layer, nn.Conv2d)
        and layer.groups == 1
        and isinstance(layer.padding, tuple)
        and layer.padding_mode == "zeros"
    ):
        columns = layer.weight[0].numel()
    else:
        return "least squares is for linear layers and convolutions with one group and numeric padding"
    return f"{columns} columns are too many to solve for" if columns > LARGEST else None


def grams(model: nn.Module, paths: Iterable[str], context: Context, images: int, purpose: str) -> dict[str, Tensor]:
    """Return G = XᵀX of what each layer reads on training images: patches as rows of X.

    Args:
        model: The network, left as it was.
        paths: Layers without an `obstacle`.
        context: Task, whose training images are read, and seed.
        images: How many training images.
        purpose: Names the random choice of images.

    Shape:
        Each (columns, columns).
    """
    found: dict[str, Tensor] = {}
    hooks: list[torch.utils.hooks.RemovableHandle] = []

    def watch(path: str, layer: nn.Module) -> None:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], __: Tensor) -> None:
            rows = _rows(layer, inputs[0])
            found[path] = found.get(path, 0) + rows.T @ rows

        hooks.append(layer.register_forward_hook(hook))

    for path in paths:
        watch(path, model.get_submodule(path))
    batches = context.require_task().train.batches(_BATCH, generator=context.generator(purpose), limit=images)
    try:
        with evaluation_mode(model), torch.no_grad():
            for batch, _ in batches:
                model(batch)
    finally:
        for one in hooks:
            one.remove()
    return found


def damped(gram: Tensor) -> Tensor:
    """Return a Gram matrix that can be solved with where channels are dead or alike.

    Shape:
        (n, n), square.
    """
    return gram + _DAMPING * gram.diagonal().mean().clamp_min(1e-12) * torch.eye(len(gram), dtype=gram.dtype)


def unfolded(layer: nn.Conv2d, inputs: Tensor) -> Tensor:
    """Return what each place of a convolution reads, zeros around the images included.

    Shape:
        (N, C, H, W) to (N, C · kh · kw, places).

    Example:
        >>> unfolded(nn.Conv2d(2, 4, 3, padding="same"), torch.zeros(1, 2, 5, 5)).shape
        torch.Size([1, 18, 25])
    """
    return functional.unfold(_padded(layer, inputs), layer.kernel_size, dilation=layer.dilation, stride=layer.stride)


def _rows(layer: nn.Module, read: Tensor) -> Tensor:
    if isinstance(layer, nn.Linear):
        return read.reshape(-1, read.shape[-1])
    assert isinstance(layer, nn.Conv2d)
    patches = unfolded(layer, read)
    return patches.transpose(1, 2).reshape(-1, patches.shape[1])


def _padded(layer: nn.Conv2d, inputs: Tensor) -> Tensor:
    if isinstance(layer.padding, str):
        if layer.padding == "valid":
            return inputs
        total = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        return functional.pad(
            inputs, (total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2)
        )
    rows, columns = layer.padding
    return functional.pad(inputs, (columns, columns, rows, rows))
