"""Cut channels out of every parameter that owns them, and put right what the code says about their number."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from lissome.core.module_graph import EXPORTED
from lissome.layers.channel_selection import ChannelSelection
from lissome.layers.folded_norm import FoldedNorm
from lissome.tracing.channel_map import ChannelMap, ParameterSlice, is_constant
from lissome.tracing.groups import Group
from lissome.tracing.label_tensors import survivors
from lissome.tracing.literals import rewrite_literals


def kept_ids(channels: ChannelMap, keep: Mapping[int, Tensor], groups: Sequence[Group]) -> Tensor:
    """Return which channel ids stay, shape (number of ids,) bool.

    Args:
        channels: What running the network on labels found.
        keep: For groups by their number, which units stay, shape (units,) bool; groups left out stay whole.
        groups: The groups, as `groups_of` returned them.
    """
    removed = [groups[number].units[~mask] for number, mask in keep.items()]
    if not removed:
        return torch.ones(len(channels.sets), dtype=torch.bool)
    roots = channels.sets.roots(torch.arange(len(channels.sets)))
    return ~torch.isin(roots, torch.cat(removed))


def keep_units(model: nn.Module, channels: ChannelMap, kept: Tensor) -> nn.Module:
    """Cut the channels that are not kept, in place, and return the network.

    The network keeps its class where its code holds no number of channels; where it does (a view, a split), the traced
    graph with those numbers rewritten is returned instead, and where only running the network could trace it, which the
    steps to come could not.

    Args:
        model: The network that `channels` was made of; its parameters are replaced.
        channels: What running it on labels found.
        kept: Which ids stay, as `kept_ids` returned them.
    """
    _cut_parameters(model, channels, kept)
    for path, ids in channels.picks.items():
        _renumber(model, channels, path, kept[ids])
    for node, labels in channels.labels.items():
        if node.op == "call_module" and isinstance(labels, Tensor):
            blockwise = (f"{node.target}.weight", 1) not in channels.slices
            _correct_settings(channels.layer(str(node.target)), survivors(labels, kept), blockwise=blockwise)
    changed = rewrite_literals(channels, kept) or any(map(is_constant, channels.picks))
    return channels.graph if changed or EXPORTED in channels.graph.meta else model


def _cut_parameters(model: nn.Module, channels: ChannelMap, kept: Tensor) -> None:
    done: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
    for piece in channels.slices.values():
        mask = kept[piece.labels]
        if bool(mask.all()):
            continue
        tensor = getattr(channels.layer(piece.layer), piece.parameter)
        # A parameter that two layers share is cut once and stays shared.
        _, cut = done.setdefault((id(tensor), piece.axis), (tensor, _cut(tensor, piece, mask)))
        # Blocks around layers are not shared between graph and network, so a parameter of a block is set in both.
        for root in (channels.graph, model):
            setattr(root.get_submodule(piece.layer), piece.parameter, cut)


def _renumber(model: nn.Module, channels: ChannelMap, path: str, stays: Tensor) -> None:
    """Leave out the numbers of channels that went, and count the others anew."""
    index = channels.attribute(path)
    owner, _, name = path.rpartition(".")
    for root in (channels.graph, model):
        setattr(root.get_submodule(owner), name, (stays.cumsum(0) - 1)[index[stays[index]]])


def _cut(tensor: Tensor, piece: ParameterSlice, mask: Tensor) -> Tensor:
    detached = tensor.detach()
    if piece.groups == 1:
        cut = detached.index_select(piece.axis, mask.nonzero().flatten())
    else:
        blocks = zip(detached.chunk(piece.groups), mask.view(piece.groups, -1), strict=True)
        cut = torch.cat([block[:, stays] for block, stays in blocks])
    return nn.Parameter(cut, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else cut


def _correct_settings(layer: nn.Module, shape: list[int], *, blockwise: bool) -> None:
    """Make a layer's own account of its sizes agree with its parameters and with the shape of its output."""
    settings: dict[str, Any] = {}
    if isinstance(layer, _ConvNd):
        settings = _convolution_settings(layer, blockwise=blockwise)
    elif isinstance(layer, nn.Linear):
        settings = {"out_features": layer.weight.shape[0], "in_features": layer.weight.shape[1]}
    elif isinstance(layer, _NormBase):
        settings = {"num_features": shape[1]}
    elif isinstance(layer, FoldedNorm):
        settings = {"channels": shape[1]}
    elif isinstance(layer, nn.GroupNorm):
        one_a_channel = layer.num_groups == layer.num_channels
        settings = {"num_channels": shape[1], "num_groups": shape[1] if one_a_channel else layer.num_groups}
    elif isinstance(layer, nn.LayerNorm) and len(layer.normalized_shape) == 1:
        settings = {"normalized_shape": (shape[-1],)}
    elif isinstance(layer, ChannelSelection):
        settings = {"selected": len(layer.index)}
    elif isinstance(layer, nn.PReLU):
        settings = {"num_parameters": len(layer.weight)}
    for name, value in settings.items():
        setattr(layer, name, value)


def _convolution_settings(layer: _ConvNd, *, blockwise: bool) -> dict[str, int]:
    rows, columns = layer.weight.shape[:2]
    before = layer.in_channels if isinstance(layer, _ConvTransposeNd) else layer.out_channels
    # Of a layer with many small groups whole groups go, of others as much of each.
    groups = layer.groups * rows // before if blockwise else layer.groups
    if isinstance(layer, _ConvTransposeNd):
        return {"in_channels": rows, "out_channels": columns * groups, "groups": groups}
    return {"in_channels": columns * groups, "out_channels": rows, "groups": groups}
