"""Cut the outputs of a classifier to some of its classes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lissome.core.errors import BadModelError
from lissome.tracing.channel_map import ChannelMap, ParameterSlice
from lissome.tracing.propagate import propagate
from lissome.tracing.surgery import keep_units


def with_classes(
    model: nn.Module, inputs: tuple[Tensor, ...], classes: Sequence[int], *, other: bool = False
) -> nn.Module:
    """Return a classifier of some of its classes, in their order; it is changed in place.

    Args:
        model: Its only output is (N, classes), made by one layer.
        inputs: Example inputs.
        classes: Numbers of those that stay, ascending.
        other: One output more, the last, begins as the mean of those that go.

    Raises:
        BadModelError: The network has another output, or mixes the classes behind the layer that makes them.

    Example:
        >>> head = nn.Sequential(nn.Flatten(), nn.Linear(12, 10))
        >>> with_classes(head, (torch.zeros(1, 3, 2, 2),), [3, 5], other=True)[1]
        Linear(in_features=12, out_features=3, bias=True)
    """
    channels = propagate(model, inputs)
    ids = _output_ids(channels)
    gone = [one for one in range(len(ids)) if one not in set(classes)]
    pieces = _pieces(channels, ids)
    stays = sorted({*classes, gone[0]}) if other else list(classes)
    if other:
        for piece in pieces:
            _average(channels, piece, gone)
    roots = channels.sets.roots(torch.arange(len(channels.sets)))
    dropped = torch.tensor([one for one in range(len(ids)) if one not in set(stays)])
    cut = keep_units(model, channels, ~torch.isin(roots, channels.sets.roots(ids[dropped])))
    if other:
        place = stays.index(gone[0])
        order = torch.tensor([one for one in range(len(stays)) if one != place] + [place])
        for piece in pieces:
            _reorder((cut, channels.graph), piece, order)
    return cut


def _output_ids(channels: ChannelMap) -> Tensor:
    """Return the id of each class."""
    made = next(node for node in channels.graph.graph.nodes if node.op == "output").all_input_nodes
    labels = channels.labels.get(made[0]) if len(made) == 1 else None
    if not isinstance(labels, Tensor) or labels.dim() != 2:
        raise BadModelError(
            "its output is not one row of classes an image", where="KeepClasses", fix="give a classifier"
        )
    ids = labels[0]
    if len(set(channels.sets.roots(ids).tolist())) != len(ids):
        raise BadModelError(
            "its classes are mixed behind the layer that makes them",
            where="KeepClasses",
            fix="give a network that ends in logits",
        )
    return ids


def _pieces(channels: ChannelMap, ids: Tensor) -> list[ParameterSlice]:
    """Return the axes of parameters that have one entry a class."""
    roots = channels.sets.roots(ids)
    pieces = []
    for piece in channels.slices.values():
        own = channels.sets.roots(piece.labels)
        if torch.isin(own, roots).any():
            if piece.groups != 1 or not torch.equal(own, roots):
                raise BadModelError(
                    "holds something else beside the classes",
                    where=piece.path,
                    fix="give a network whose classes are made by one layer",
                )
            pieces.append(piece)
    return pieces


def _average(channels: ChannelMap, piece: ParameterSlice, gone: list[int]) -> None:
    tensor: Tensor = getattr(channels.layer(piece.layer), piece.parameter)
    with torch.no_grad():
        rows = tensor.movedim(piece.axis, 0)
        rows[gone[0]] = rows[gone].mean(dim=0)


def _reorder(roots: tuple[nn.Module, nn.Module], piece: ParameterSlice, order: Tensor) -> None:
    tensor: Tensor = getattr(roots[0].get_submodule(piece.layer), piece.parameter)
    with torch.no_grad():
        made = tensor.index_select(piece.axis, order)
    made = nn.Parameter(made, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else made
    for root in roots:
        setattr(root.get_submodule(piece.layer), piece.parameter, made)
