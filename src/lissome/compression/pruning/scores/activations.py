"""What a network's channels hold on training images, as the layers that read them see it."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from lissome.core.context import Context
from lissome.core.module_graph import evaluation_mode
from lissome.core.progress import track
from lissome.tracing.groups import Group, Member

Statistic = Callable[[Tensor], Tensor]
"""Maps (N, C, H, W) to (N, C): one number for each image and channel."""

_BATCH = 32


def watched(group: Group, model: nn.Module) -> list[Member]:
    """Return the members whose layers show the group's channels: those that read them, else those that make them.

    What is read has passed normalisation and activation, so it is what the rest of the network gets.
    """
    reading = [one for one in group.members if one.role == "consumes" and _shows(model, one)]
    return reading or [one for one in group.producers if _shows(model, one)]


def _shows(model: nn.Module, member: Member) -> bool:
    layer = model.get_submodule(member.layer)
    # The weight of a grouped convolution has an axis for the channels of one group only.
    return isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)


def statistics(
    model: nn.Module, members: Iterable[Member], context: Context, images: int, statistic: Statistic
) -> dict[tuple[str, str], Tensor]:
    """Return the mean over training images of a statistic of each channel, by (path of the layer, role).

    Args:
        model: The network, left as it was.
        members: Whose inputs (role "consumes") or outputs are watched.
        context: Task and seed.
        images: How many training images, drawn at random.
        statistic: What is taken of each map; vectors are shown as maps of one pixel.

    Shape:
        Each (channels,).
    """
    totals: dict[tuple[str, str], Tensor] = {}
    hooks = [_hook(model, one, totals, statistic) for one in {(one.layer, one.role): one for one in members}.values()]
    batches = context.require_task().train.batches(_BATCH, generator=context.generator("scores"), limit=images)
    count = 0
    try:
        with evaluation_mode(model), torch.no_grad():
            for pictures, _ in track(batches, context.progress, "scoring"):
                model(pictures)
                count += len(pictures)
    finally:
        for one in hooks:
            one.remove()
    return {key: total / count for key, total in totals.items()}


def _hook(
    model: nn.Module, member: Member, totals: dict[tuple[str, str], Tensor], statistic: Statistic
) -> torch.utils.hooks.RemovableHandle:
    key = (member.layer, member.role)

    def hook(layer: nn.Module, inputs: Sequence[Tensor], output: Tensor) -> None:
        seen = inputs[0] if member.role == "consumes" else output
        maps = seen.reshape(-1, seen.shape[-1], 1, 1) if isinstance(layer, nn.Linear) else seen
        found = statistic(maps).sum(dim=0) * (len(seen) / len(maps))
        totals[key] = totals.get(key, torch.zeros_like(found)) + found

    return model.get_submodule(member.layer).register_forward_hook(hook)
