"""Let the channels that stay take over what the removed ones did, by least squares on what each layer reads."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.core.context import Context
from lissome.core.outcome import Note
from lissome.tracing.groups import Group

LARGEST = 8192
"""Columns of the largest system that is solved: its matrix takes 256 MiB."""

_DAMPING = 1e-4
_BATCH = 64


def reconstruct(
    model: nn.Module, groups: list[Group], keep: Mapping[int, Tensor], context: Context, images: int
) -> Iterator[Note]:
    """Change the weights of every layer that reads pruned channels, before they are cut.

    With X what the layer reads (patches as rows) and K the columns that stay, the new weights minimise
    ``|X W - X_K W_K'|²``: ``W_K' = (G_KK + d I)^-1 G_K: W`` with ``G = Xᵀ X``.

    Args:
        model: The network, not yet cut; its weights are replaced.
        groups: Groups of channels.
        keep: For groups by their number, which units stay, shape (units,) bool.
        context: Task, whose training images are read, and seed.
        images: How many training images.

    Yields:
        One note for each layer: adapted, or why not.

    Source:
        He, Zhang and Sun 2017, Channel Pruning for Accelerating Very Deep Neural Networks, arXiv:1707.06168,
        section 3.1, the linear least squares step.
    """
    kept = _kept_inputs(model, groups, keep)
    solvable = {path: mask for path, mask in kept.items() if _obstacle(model.get_submodule(path)) is None}
    grams = _observe(model, list(solvable), context, images)
    for path, mask in kept.items():
        reason = _obstacle(model.get_submodule(path))
        if path in grams:
            _solve(model.get_submodule(path), grams[path], mask)
        done = "weights fitted to the channels that stay"
        yield Note(path, f"keeps its weights: {reason}" if reason else done, applied=not reason)


def _kept_inputs(model: nn.Module, groups: list[Group], keep: Mapping[int, Tensor]) -> dict[str, Tensor]:
    """Return, for each layer that reads channels that go, which of its inputs stay."""
    found: dict[str, Tensor] = {}
    for number, mask in keep.items():
        for member in groups[number].members:
            if member.role == "consumes":
                weight: Tensor = model.get_parameter(member.path)
                stays = found.setdefault(
                    member.layer, torch.ones(weight.shape[member.axis] * member.groups, dtype=torch.bool)
                )
                stays[member.indices[~mask].flatten()] = False
    return found


def _obstacle(layer: nn.Module) -> str | None:
    if isinstance(layer, nn.Linear):
        columns = layer.in_features
    elif isinstance(layer, nn.Conv2d) and layer.groups == 1 and isinstance(layer.padding, tuple):
        columns = layer.weight[0].numel()
    else:
        return "least squares is for linear layers and convolutions with one group and numeric padding"
    return f"{columns} columns are too many to solve for" if columns > LARGEST else None


def _observe(model: nn.Module, paths: list[str], context: Context, images: int) -> dict[str, Tensor]:
    """Return G = XᵀX of what each layer reads, shape (columns, columns)."""
    grams: dict[str, Tensor] = {}

    def watch(path: str, layer: nn.Module) -> None:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], __: Tensor) -> None:
            rows = _rows(layer, inputs[0])
            grams[path] = grams.get(path, 0) + rows.T @ rows

        hooks.append(layer.register_forward_hook(hook))

    hooks: list[torch.utils.hooks.RemovableHandle] = []
    for path in paths:
        watch(path, model.get_submodule(path))
    training = model.training
    model.eval()
    batches = context.require_task().train.batches(_BATCH, generator=context.generator("reconstruct"), limit=images)
    with torch.no_grad():
        for batch, _ in batches:
            model(batch)
    model.train(training)
    for one in hooks:
        one.remove()
    return grams


def _rows(layer: nn.Module, read: Tensor) -> Tensor:
    if isinstance(layer, nn.Linear):
        return read.reshape(-1, read.shape[-1])
    assert isinstance(layer, nn.Conv2d)
    assert isinstance(layer.padding, tuple)
    patches = functional.unfold(read, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    return patches.transpose(1, 2).reshape(-1, patches.shape[1])


def _solve(layer: nn.Module, gram: Tensor, stays: Tensor) -> None:
    assert isinstance(layer, nn.Linear | nn.Conv2d)
    weight = layer.weight.detach()
    flat = weight.flatten(1)
    columns = stays.repeat_interleave(flat.shape[1] // len(stays)).nonzero().flatten()
    system = gram[columns][:, columns]
    # Damping bounds the solution where channels are dead or alike.
    system = system + _DAMPING * system.diagonal().mean().clamp_min(1e-12) * torch.eye(len(columns))
    adapted = torch.zeros_like(flat)
    adapted[:, columns] = torch.linalg.solve(system, gram[columns] @ flat.T).T
    weight.copy_(adapted.view_as(weight))
