"""Let the channels that stay take over what the removed ones did, by least squares on what each layer reads."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from lissome.core.context import Context
from lissome.core.outcome import Note
from lissome.tracing.groups import Group
from lissome.tracing.patches import damped, grams, obstacle


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
    solvable = {path: mask for path, mask in kept.items() if obstacle(model.get_submodule(path)) is None}
    products = grams(model, solvable, context, images, "reconstruct")
    for path, mask in kept.items():
        reason = obstacle(model.get_submodule(path))
        if path in products:
            _solve(model.get_submodule(path), products[path], mask)
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


def _solve(layer: nn.Module, gram: Tensor, stays: Tensor) -> None:
    assert isinstance(layer, nn.Linear | nn.Conv2d)
    weight = layer.weight.detach()
    flat = weight.flatten(1)
    columns = stays.repeat_interleave(flat.shape[1] // len(stays)).nonzero().flatten()
    system = gram[columns][:, columns]
    adapted = torch.zeros_like(flat)
    adapted[:, columns] = torch.linalg.solve(damped(system), gram[columns] @ flat.T).T
    weight.copy_(adapted.view_as(weight))
