"""Numbers of channels in the code (view sizes, split sizes, slice bounds, padding), put right after pruning.

A number may be written as such or computed from a tensor's size. Either way the labels of a node's input and output
say what it must be now; where the code would say something else, the right number is written in its place.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from lissome.tracing.calls import argument, call, index_axes, operator_name, pad_amounts
from lissome.tracing.channel_map import ChannelMap
from lissome.tracing.label_tensors import kept_before, varying
from lissome.tracing.leftover import Leftover

Rewrite = Callable[[ChannelMap, fx.Node, Leftover], bool]


def rewrite_literals(channels: ChannelMap, kept: Tensor) -> bool:
    """Put every number of the graph right, given which ids are kept; tell whether any changed.

    Shape:
        kept: (number of ids,) bool.
    """
    left = Leftover(channels, kept)
    changed = False
    for node in list(channels.graph.graph.nodes):
        if node not in channels.labels:
            continue
        if node.op == "call_module":
            _unflatten_layer(channels, node, left)
        elif node.op in ("call_function", "call_method"):
            rewrite = _REWRITES.get(operator_name(node))
            changed |= rewrite is not None and rewrite(channels, node, left)
    if changed:
        for node in reversed(list(channels.graph.graph.nodes)):
            if node in channels.numbers and not node.users and node.op != "placeholder":
                channels.graph.graph.erase_node(node)
        channels.graph.graph.lint()
        channels.graph.recompile()
    return changed


def _view(channels: ChannelMap, node: fx.Node, left: Leftover) -> bool:
    """view, reshape, expand, new_zeros: sizes given as one sequence or one by one."""
    wanted = left.shape(channels.labels[node])
    name = next((one for one in ("shape", "size") if one in node.kwargs), None)
    if name is not None:
        return _replace(node, kwargs={**node.kwargs, name: _sizes(node.kwargs[name], wanted, left)})
    if isinstance(left.value(node.args[1]), int):
        return _replace(node, args=(node.args[0], *_sizes(node.args[1:], wanted, left)))
    return _replace(node, args=(node.args[0], _sizes(node.args[1], wanted, left)))


def _sizes(given: Any, wanted: list[int], left: Leftover) -> Any:
    """Return sizes as given where they are right, the wanted ones elsewhere."""
    now = left.value(given)
    if not isinstance(now, tuple | list) or len(now) != len(wanted):
        return given  # a data type: view(torch.int32)
    if all(size in (-1, new) for size, new in zip(now, wanted, strict=True)):
        return given
    if isinstance(given, fx.Node):  # the shape of another tensor; the batch stays free
        return (-1, *wanted[1:])
    return type(given)(old if size in (-1, new) else new for old, size, new in zip(given, now, wanted, strict=True))


def _unflatten(channels: ChannelMap, node: fx.Node, left: Leftover) -> bool:
    axis = argument(node.args, node.kwargs, 1, "dim") % channels.labels[_source(node)].dim()
    sizes = argument(node.args, node.kwargs, 2, "sizes")
    wanted = left.shape(channels.labels[node])[axis : axis + len(sizes)]
    if "sizes" in node.kwargs:
        return _replace(node, kwargs={**node.kwargs, "sizes": _sizes(sizes, wanted, left)})
    return _replace(node, args=(*node.args[:2], _sizes(sizes, wanted, left)))


def _unflatten_layer(channels: ChannelMap, node: fx.Node, left: Leftover) -> None:
    """nn.Unflatten keeps its sizes as a setting of the layer, so the code itself does not change."""
    layer = channels.layer(str(node.target))
    if isinstance(layer, nn.Unflatten):
        axis = int(layer.dim) % channels.labels[_source(node)].dim()
        sizes = tuple(int(one) for one in layer.unflattened_size)
        layer.unflattened_size = _sizes(sizes, left.shape(channels.labels[node])[axis : axis + len(sizes)], left)


def _pieces(channels: ChannelMap, node: fx.Node, left: Leftover) -> bool:
    """chunk, split: where the pieces are no longer what the code says, each one's size is said."""
    labels = channels.labels[_source(node)]
    axis = argument(node.args, node.kwargs, 2, "dim", 0) % labels.dim()
    wanted = [left.shape(one)[axis] for one in channels.labels[node]]
    if sum(wanted) == labels.shape[axis] or _piece_sizes(node, left, axis) == wanted:
        return False
    with node.graph.inserting_before(node):
        split = node.graph.call_function(torch.split, (node.args[0], wanted), {"dim": axis})
    node.replace_all_uses_with(split)
    channels.labels[split] = channels.labels[node]
    node.graph.erase_node(node)
    return True


def _piece_sizes(node: fx.Node, left: Leftover, axis: int) -> list[int] | None:
    try:
        pieces = call(node, left.value(node.args), left.value(node.kwargs))
    except RuntimeError:  # sizes that no longer add up
        return None
    return [one.shape[axis] for one in pieces]


def _index(channels: ChannelMap, node: fx.Node, left: Leftover) -> bool:
    """x[a:b]: bounds become the number of survivors in front of them."""
    labels = channels.labels[_source(node)]
    if not isinstance(labels, Tensor):
        return False
    index = node.args[1]
    entries: list[Any] = list(index) if isinstance(index, tuple | list) else [index]
    free = varying(labels)
    for place, axis in index_axes(index, labels.dim()):
        if axis in free and isinstance(entries[place], slice):
            entries[place] = _moved(entries[place], labels, axis, left)
    return _replace(node, args=(node.args[0], tuple(entries) if isinstance(index, tuple | list) else entries[0]))


def _moved(piece: slice, labels: Tensor, axis: int, left: Leftover) -> slice:
    start, stop, step = left.before(piece).indices(labels.shape[axis])
    new_start, new_stop = (kept_before(labels, axis, bound, left.kept) for bound in (start, stop))
    now_start, now_stop, _ = left.value(piece).indices(left.shape(labels)[axis])
    return slice(
        piece.start if now_start == new_start else new_start,
        piece.stop if now_stop == new_stop else new_stop,
        piece.step if step == 1 else step,
    )


def _narrow(channels: ChannelMap, node: fx.Node, left: Leftover) -> bool:
    labels = channels.labels[_source(node)]
    axis = argument(node.args, node.kwargs, 1, "dim") % labels.dim()
    given = (argument(node.args, node.kwargs, 2, "start"), argument(node.args, node.kwargs, 3, "length"))
    old_start, old_length = left.before(given)
    old_start %= labels.shape[axis]
    first, behind = (kept_before(labels, axis, bound, left.kept) for bound in (old_start, old_start + old_length))
    now_start, now_length = left.value(given)
    if (now_start % left.shape(labels)[axis], now_length) == (first, behind - first):
        return False
    return _replace(node, args=(node.args[0], axis, first, behind - first), kwargs={})


def _pad(channels: ChannelMap, node: fx.Node, left: Leftover) -> bool:
    """Padded channels that are gone are no longer added."""
    before, after = channels.labels[_source(node)], channels.labels[node]
    given = argument(node.args, node.kwargs, 1, "pad")
    amounts: list[Any] = list(given)
    for axis in varying(after):
        place = 2 * (after.dim() - axis - 1)
        if place + 1 < len(amounts):
            front, _ = left.before(pad_amounts(amounts, after.dim() - axis))
            behind = kept_before(after, axis, front + before.shape[axis], left.kept)
            wanted = (kept_before(after, axis, front, left.kept), left.shape(after)[axis] - behind)
            for offset, amount in enumerate(wanted):
                if left.value(amounts[place + offset]) != amount:
                    amounts[place + offset] = amount
    if "pad" in node.kwargs:
        return _replace(node, kwargs={**node.kwargs, "pad": type(given)(amounts)})
    return _replace(node, args=(node.args[0], type(given)(amounts), *node.args[2:]))


def _convolution_groups(channels: ChannelMap, node: fx.Node, left: Leftover) -> bool:
    """A convolution by a function of which whole groups went has fewer; its weight has lost rows only."""
    weight = argument(node.args, node.kwargs, 1, "weight")
    if not isinstance(weight, fx.Node) or (str(weight.target), 1) in channels.slices:
        return False
    labels = channels.labels[_source(node)]
    return _group_number(node, left, (6, "groups"), (labels.shape[1], left.shape(labels)[1]))


def _norm_groups(channels: ChannelMap, node: fx.Node, left: Leftover) -> bool:
    """A group normalisation with a group a channel has as many groups as channels are left."""
    labels = channels.labels[_source(node)]
    sizes = labels.shape[1], left.shape(labels)[1]
    one_a_channel = left.before(argument(node.args, node.kwargs, 1, "num_groups")) == sizes[0]
    return one_a_channel and _group_number(node, left, (1, "num_groups"), sizes)


def _group_number(node: fx.Node, left: Leftover, where: tuple[int, str], channels: tuple[int, int]) -> bool:
    """Let the number of groups shrink as the channels did."""
    place, name = where
    given = argument(node.args, node.kwargs, place, name, 1)
    wanted = left.before(given) * channels[1] // channels[0]
    if left.value(given) == wanted:
        return False
    if name in node.kwargs:
        return _replace(node, kwargs={**node.kwargs, name: wanted})
    return _replace(node, args=(*node.args[:place], wanted, *node.args[place + 1 :]))


def _normalized(channels: ChannelMap, node: fx.Node, left: Leftover) -> bool:
    """A layer normalisation of the last axis names its size."""
    given = argument(node.args, node.kwargs, 1, "normalized_shape")
    wanted = left.shape(channels.labels[node])[-len(given) :]
    if "normalized_shape" in node.kwargs:
        return _replace(node, kwargs={**node.kwargs, "normalized_shape": _sizes(given, wanted, left)})
    return _replace(node, args=(node.args[0], _sizes(given, wanted, left), *node.args[2:]))


def _source(node: fx.Node) -> fx.Node:
    return node.all_input_nodes[0]


def _replace(node: fx.Node, args: tuple[Any, ...] | None = None, kwargs: dict[str, Any] | None = None) -> bool:
    """Put new arguments in; tell whether they differ."""
    old = (node.args, node.kwargs)
    node.args = node.args if args is None else args
    node.kwargs = node.kwargs if kwargs is None else kwargs
    return old != (node.args, node.kwargs)


_REWRITES: dict[str, Rewrite] = {
    "view": _view,
    "reshape": _view,
    "expand": _view,
    "new_zeros": _view,
    "new_ones": _view,
    "unflatten": _unflatten,
    "chunk": _pieces,
    "split": _pieces,
    "tensor_split": _pieces,
    "getitem": _index,
    "narrow": _narrow,
    "pad": _pad,
    **{f"conv{n}d": _convolution_groups for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _convolution_groups for n in (1, 2, 3)},
    "group_norm": _norm_groups,
    "layer_norm": _normalized,
}
