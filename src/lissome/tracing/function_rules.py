"""What functions with parameters do to labels: convolutions, linear maps and norms outside of torch's layers."""

from typing import Any

from torch import Tensor, fx

from lissome.tracing.calls import argument, flat_tensors, map_tensors, operator_name
from lissome.tracing.channel_map import ChannelMap, is_constant
from lissome.tracing.kernels import Kernel, apply_kernel
from lissome.tracing.label_tensors import along, empty_like, spread, varying


def convolution(channels: ChannelMap, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> Any:
    """As the layer does, with a weight of the network itself."""
    weight = _parameter(node, 1, "weight")
    if weight is None:
        return _whole(channels, args, kwargs, value, f"weights are computed, for {operator_name(node)} at {node.name}")
    tensor = channels.attribute(weight)
    axis = value.dim() - tensor.dim() + 1
    transposed = operator_name(node).startswith("conv_transpose")
    groups = (value if transposed else args[0]).shape[axis] // tensor.shape[1]
    first, second = tensor.shape[0], tensor.shape[1] * groups
    kernel = Kernel(
        weight=weight,
        follows=_follows(node),
        inputs=first if transposed else second,
        outputs=second if transposed else first,
        groups=groups,
        transposed=transposed,
    )
    return apply_kernel(channels, kernel, args[0], value.shape, axis)


def linear(channels: ChannelMap, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> Any:
    """As the layer does, with a weight of the network itself."""
    weight = _parameter(node, 1, "weight")
    if weight is None:
        return _whole(channels, args, kwargs, value, f"weights are computed, for linear at {node.name}")
    outputs, inputs = channels.attribute(weight).shape
    kernel = Kernel(weight=weight, follows=_follows(node), inputs=inputs, outputs=outputs)
    return apply_kernel(channels, kernel, args[0], value.shape, value.dim() - 1)


def channel_norm(channels: ChannelMap, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> Any:
    """Scale each channel by itself: batch and instance normalisation, PReLU; one entry a channel follows it."""
    del node
    ids = along(args[0], min(1, args[0].dim() - 1), channels.sets)
    _tie(channels, ids, (args[1:], kwargs))
    return spread(ids, value.shape, 1)


def group_norm(channels: ChannelMap, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> Any:
    """Scale each channel; the groups stay equal in size, or are one a channel."""
    ids = along(args[0], 1, channels.sets)
    groups = channels.number(argument(node.args, node.kwargs, 1, "num_groups"))
    if groups < len(ids):
        channels.keep_equal(ids, groups)
    _tie(channels, ids, (args[1:], kwargs))
    return spread(ids, value.shape, 1)


def layer_norm(channels: ChannelMap, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> Any:
    """Scale each entry of the last axis; over several axes the channels stay whole."""
    if len(argument(node.args, node.kwargs, 1, "normalized_shape")) != 1:
        return _whole(channels, args, kwargs, value, f"normalised over several axes at {node.name}")
    ids = along(args[0], args[0].dim() - 1, channels.sets)
    _tie(channels, ids, (args[1:], kwargs))
    return spread(ids, value.shape, value.dim() - 1)


def index_select(channels: ChannelMap, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> Any:
    """Pick entries by numbers that the network keeps: they stay tied to what they are, and are numbered anew."""
    given = argument(node.args, node.kwargs, 2, "index")
    index = str(given.target) if isinstance(given, fx.Node) and given.op == "get_attr" else None
    axis = int(argument(args, kwargs, 1, "dim")) % args[0].dim()
    if index is None or index in channels.picks or varying(args[0]) != [axis]:
        return _whole(channels, args[:1], {}, value, f"picked by computed numbers, at {node.name}")
    ids = along(args[0], axis, channels.sets)
    channels.picks[index] = ids
    return spread(ids[channels.attribute(index)], value.shape, axis)


def _tie(channels: ChannelMap, ids: Tensor, rest: Any) -> None:
    for labels in flat_tensors(rest):
        if labels.shape == ids.shape and len(ids) > 1:
            channels.sets.unite(ids, labels)


def _parameter(node: fx.Node, place: int, name: str) -> str | None:
    """Return the path of an argument that is a tensor of the network itself."""
    given = argument(node.args, node.kwargs, place, name)
    is_own = isinstance(given, fx.Node) and given.op == "get_attr" and not is_constant(str(given.target))
    return str(given.target) if is_own else None


def _follows(node: fx.Node) -> tuple[str, ...]:
    bias = _parameter(node, 2, "bias")
    return () if bias is None else (bias,)


def _whole(channels: ChannelMap, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any, reason: str) -> Any:
    for one in flat_tensors((args, kwargs)):
        channels.sets.freeze(one, reason)
    return map_tensors(value, lambda one: empty_like(one.shape))


FUNCTION_RULES = {
    **{f"conv{n}d": convolution for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": convolution for n in (1, 2, 3)},
    "linear": linear,
    "batch_norm": channel_norm,
    "instance_norm": channel_norm,
    "prelu": channel_norm,
    "group_norm": group_norm,
    "index_select": index_select,
    "layer_norm": layer_norm,
}
"""Rules by the plain names of functions."""
