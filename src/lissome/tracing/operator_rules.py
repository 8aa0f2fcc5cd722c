"""What each operator does to labels. Shape operators are run on the labels themselves; the rest is by name."""

import functools
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx

from lissome.tracing.calls import argument, call, flat_tensors, index_axes, map_tensors, operator_name, pad_amounts
from lissome.tracing.channel_map import ChannelMap
from lissome.tracing.channel_sets import FIXED
from lissome.tracing.function_rules import FUNCTION_RULES
from lissome.tracing.label_tensors import along, compact, empty_like, hold, spread, tidy, varying
from lissome.tracing.layer_rules import pool_labels

OperatorRule = Callable[[ChannelMap, fx.Node, tuple[Any, ...], dict[str, Any], Any], Any]
"""(map, node, its arguments and keywords with labels in place of tensors, its result) -> the labels of the result."""


def rule_for(name: str) -> OperatorRule:
    """Return the rule of an operator by its plain name; `unknown` where there is none."""
    return _rules().get(name, unknown)


@functools.cache
def _rules() -> dict[str, OperatorRule]:
    kinds = (passing, pooling, pairing, shaping, reducing, filling)
    table = tomllib.loads(Path(__file__).with_name("operators.toml").read_text(encoding="utf-8"))
    return {name: rule for rule in kinds for name in table[rule.__name__]} | {"pad": padding} | FUNCTION_RULES


def passing(channels: ChannelMap, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> Any:
    """One tensor in, its labels out."""
    labels = flat_tensors((args, kwargs))[0]
    fits = isinstance(value, Tensor) and value.shape == labels.shape
    return labels if fits else unknown(channels, node, args, kwargs, value)


def pooling(channels: ChannelMap, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> Any:
    """One tensor in, its channels out; height and width are mixed and may change."""
    labels = flat_tensors((args, kwargs))[0]
    pooled = None
    if isinstance(value, Tensor):
        pooled = pool_labels(channels, labels, value.shape, f"{operator_name(node)} at {node.name}")
    return unknown(channels, node, args, kwargs, value) if pooled is None else pooled


def pairing(channels: ChannelMap, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> Any:
    """Unite the ids that meet, after broadcasting; a map broadcast over channels stays whole."""
    labels = flat_tensors((args, kwargs))
    result = labels[0]
    for other in labels[1:]:
        result = _meet(channels, result, other, node.name)
    return result.expand(value.shape)


def _meet(channels: ChannelMap, left: Tensor, right: Tensor, name: str) -> Tensor:
    width = max(left.dim(), right.dim())
    left = left.reshape((1,) * (width - left.dim()) + tuple(left.shape))
    right = right.reshape((1,) * (width - right.dim()) + tuple(right.shape))
    shape = [max(one, other) for one, other in zip(left.shape, right.shape, strict=True)]
    for small, large in ((left, right), (right, left)):
        if any(small.shape[axis] == 1 for axis in varying(large)):
            if bool((compact(small) != FIXED).any()):
                reason = f"broadcast over channels at {name}"
                channels.sets.freeze(small, reason)
                hold(large, varying(small), channels.sets, reason)
            return large.expand(shape)
    left, right = left.expand(shape), right.expand(shape)
    channels.sets.unite(*_smallest(left, right))
    return right if bool((compact(left) == FIXED).all()) else left


def _smallest(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Cut the dimensions along which both repeat: a feature map's pairs are those of one position."""
    for dimension in range(left.dim()):
        if left.stride(dimension) == 0 and right.stride(dimension) == 0 and left.shape[dimension] > 1:
            left, right = left.narrow(dimension, 0, 1), right.narrow(dimension, 0, 1)
    return left, right


def shaping(channels: ChannelMap, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> Any:
    """Run the very same operator on the labels."""
    del value
    if isinstance(args[0], Tensor):
        name = operator_name(node)
        hold(args[0], _fixed_axes(name, args, kwargs), channels.sets, f"numbered by {name} at {node.name}")
        if name == "channel_shuffle":
            rows = torch.unflatten(args[0], 1, (argument(args, kwargs, 1, "groups"), -1))
            hold(rows, (1,), channels.sets, f"groups of {name} at {node.name}")
    result = _moved(node, args, kwargs)
    if operator_name(node) == "pixel_shuffle":
        hold(result, (-2, -1), channels.sets, f"becomes pixels at {node.name}")
    return map_tensors(result, tidy)


def _moved(node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if operator_name(node) == "view":  # labels have other strides than what they stand for
        return args[0] if isinstance(args[1], torch.dtype) else args[0].reshape(*args[1:], **kwargs)
    return call(node, args, kwargs)


def _fixed_axes(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[int]:
    """Return the axes along which an operator goes by number, so that after pruning it would take another entry."""
    if name == "getitem":
        entries = args[1] if isinstance(args[1], tuple | list) else (args[1],)
        if any(isinstance(one, Tensor) for one in entries):
            return list(range(args[0].dim()))
        return [axis for place, axis in index_axes(args[1], args[0].dim()) if not _is_range(entries[place])]
    if name == "roll":
        asked = argument(args, kwargs, 2, "dims", range(args[0].dim()))
        return list(asked) if isinstance(asked, tuple | list | range) else [asked]
    return [argument(args, kwargs, 1, "dim", 0)] if name in ("select", "unbind") else []


def _is_range(index: Any) -> bool:
    return isinstance(index, slice) and index.step in (None, 1)


def reducing(channels: ChannelMap, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> Any:
    """Means over height and width pass; a mean over channels depends on all of them."""
    name = operator_name(node)
    # norm, std and var take something else in the second place.
    asked = argument(args[: 1 if name in ("norm", "std", "var") else 2], kwargs, 1, "dim", kwargs.get("axis"))
    if isinstance(asked, Tensor):  # max(x, y)
        return pairing(channels, node, args, kwargs, value)
    labels, result = args[0], value if isinstance(value, Tensor) else value[0]
    axes = range(labels.dim()) if asked is None else (asked if isinstance(asked, tuple | list) else (asked,))
    axes = sorted(one % labels.dim() for one in axes)
    picked = labels
    for axis in reversed(axes):
        picked = picked.narrow(axis, 0, 1)
        if result.dim() < labels.dim():
            picked = picked.squeeze(axis)
    if picked.shape != result.shape:
        return unknown(channels, node, args, kwargs, value)
    hold(labels, axes, channels.sets, f"{name} over channels at {node.name}")
    return picked if result is value else (picked, *(empty_like(one.shape) for one in value[1:]))


def padding(channels: ChannelMap, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> Any:
    """Spatial padding passes; padded channels get ids of their own, so that they can go with what they meet."""
    labels = args[0] if args else kwargs["input"]
    free = varying(labels) or [min(1, labels.dim() - 1)]
    front, back = pad_amounts(argument(args, kwargs, 1, "pad"), labels.dim() - free[0])
    if len(free) > 1 or min(front, back) < 0:
        return unknown(channels, node, args, kwargs, value)
    ids = along(labels, free[0], channels.sets)
    ids = torch.cat([channels.sets.fresh(front), ids, channels.sets.fresh(back)])
    return spread(ids, value.shape, free[0])


def filling(channels: ChannelMap, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> Any:
    """A new constant tensor: its channels have ids of their own, so that they can go with what they meet."""
    del node, args, kwargs
    return spread(channels.sets.fresh(value.shape[1]), value.shape, 1) if value.dim() > 1 else empty_like(value.shape)


def unknown(channels: ChannelMap, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> Any:
    """Keep everything that an operator without a rule touches, and say so."""
    for one in flat_tensors((args, kwargs)):
        channels.sets.freeze(one, f"no rule for {operator_name(node)} at {node.name}")
    return map_tensors(value, lambda one: empty_like(one.shape))
