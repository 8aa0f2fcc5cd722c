"""Aten operators, as torch.export lists them, written as the torch functions and methods they stand for."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional

from lissome.core.errors import TraceError

_IN_PLACE = ("silu_", "hardswish_", "hardsigmoid_", "leaky_relu_", "hardtanh_", "elu_", "celu_", "mish_", "relu6_")
_OTHER_NAMES = {
    "split_with_sizes": "split",
    "constant_pad_nd": "pad",
    "_unsafe_view": "reshape",
    "_reshape_alias": "reshape",
    "_softmax": "softmax",
}
_CHECKS = ("_assert_tensor_metadata", "_assert_scalar", "_assert_async", "sym_constrain_range_for_size")
_LAYOUT = ("device", "layout", "pin_memory", "memory_format", "non_blocking")
_END = 2**63 - 1

Writer = Callable[[fx.Graph, str, Sequence[Any], dict[str, Any]], Any]


def as_torch(graph: fx.Graph, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Append to a graph what an aten node does, and return its result.

    Args:
        graph: Where to append.
        node: A call of an aten operator or a Python function.
        args: Its arguments in the new graph.
        kwargs: Its keyword arguments in the new graph.

    Raises:
        TraceError: Torch has no function of that name; names the line that called it.
    """
    packet = getattr(node.target, "overloadpacket", None)
    if packet is None:
        assert callable(node.target)
        return graph.call_function(node.target, args, kwargs)
    name = str(packet.__name__)
    kwargs = {key: value for key, value in kwargs.items() if key not in _LAYOUT}
    writer = _WRITERS.get(name)
    if writer is not None:
        return writer(graph, name, args, kwargs)
    name = _OTHER_NAMES.get(name, name)
    function = _function(name)
    if function is not None:
        return graph.call_function(function, args, kwargs)
    if hasattr(Tensor, name) and not name.startswith("_"):
        return graph.call_method(name, args, kwargs)
    raise TraceError(f"the operator {node.target} has no name in torch", where=_line(node))


def _function(name: str) -> Callable[..., Any] | None:
    if hasattr(torch._C._VariableFunctions, name) and not name.startswith("_"):
        return getattr(torch, name)  # type: ignore[no-any-return]
    if name in ("split",):
        return torch.split
    found = None if name.startswith("_") else getattr(functional, name, None)
    return found if callable(found) else None


def _slice(graph: fx.Graph, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """aten.slice(x, dim, start, end, step): x[…, start:end:step]."""
    del name
    given = dict(zip(("self", "dim", "start", "end", "step"), args, strict=False)) | kwargs
    start, end, step = (given.get(one) for one in ("start", "end", "step"))
    piece = slice(None if start == 0 else start, None if end == _END else end, None if step == 1 else step)
    if piece == slice(None):
        return given["self"]
    axis = given.get("dim", 0)
    rest = [slice(None)] * (-axis - 1 if axis < 0 else axis)
    before: Any = (Ellipsis, piece, *rest) if axis < 0 else (*rest, piece)
    return graph.call_function(operator.getitem, (given["self"], before))


def _index(graph: fx.Graph, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """aten.index(x, [None, numbers]): x[:, numbers]."""
    del name, kwargs
    entries = tuple(slice(None) if one is None else one for one in args[1])
    return graph.call_function(operator.getitem, (args[0], entries))


def _vector_norm(graph: fx.Graph, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """aten.linalg_vector_norm(x, order, axes, keep)."""
    del name, kwargs
    defaults: list[Any] = [2, None, False]
    order, axes, keep = [*args[1:4], *defaults[len(args) - 1 :]]
    return graph.call_function(torch.norm, (args[0],), {"p": order, "dim": axes, "keepdim": keep})


def _size(graph: fx.Graph, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    del name
    return graph.call_method("size", tuple(args), kwargs)


def _same(graph: fx.Graph, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What returns its argument as it is."""
    del graph, name, kwargs
    return args[0]


def _nothing(graph: fx.Graph, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """A check of what export assumed; nobody reads its result."""
    del graph, name, args, kwargs


def _resize(graph: fx.Graph, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """aten.upsample_…(x, sizes, [corners], factors): interpolate."""
    mode = {"nearest": "nearest", "_nearest_exact": "nearest-exact"}.get(name.removeprefix("upsample_")[:-2])
    linear = {"linear1d": "linear", "bilinear2d": "bilinear", "trilinear3d": "trilinear", "bicubic2d": "bicubic"}
    mode = mode or linear[name.removeprefix("upsample_")]
    has_corners = mode in linear.values()
    x, sizes, *rest = [*args, *kwargs.values()]
    corners = rest.pop(0) if has_corners else None
    factors = rest[0] if rest else None
    given = {"size": sizes, "scale_factor": None if sizes is not None else factors, "mode": mode}
    return graph.call_function(functional.interpolate, (x,), given | ({"align_corners": corners} if corners else {}))


def _in_place(graph: fx.Graph, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    plain = getattr(functional, name.removesuffix("_"))
    return graph.call_function(plain, tuple(args), {**kwargs, "inplace": True})


def _cast(graph: fx.Graph, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """aten.to.dtype(x, type, …), aten._to_copy(x, dtype=type)."""
    del name
    kinds = [one for one in (*args[1:], *kwargs.values()) if isinstance(one, torch.dtype)]
    return graph.call_method("to", (args[0], *kinds[:1])) if kinds else args[0]


def _dropout(graph: fx.Graph, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Dropout outside of a layer: off in evaluation mode, so it is left out."""
    del graph, name, kwargs
    return args[0]


_RESIZING = (
    *("nearest1d", "nearest2d", "nearest3d", "linear1d", "bilinear2d", "trilinear3d", "bicubic2d"),
    *("_nearest_exact1d", "_nearest_exact2d", "_nearest_exact3d"),
)
_WRITERS: dict[str, Writer] = {
    "slice": _slice,
    "index": _index,
    "linalg_vector_norm": _vector_norm,
    "sym_size": _size,
    **dict.fromkeys(_CHECKS, _nothing),
    **dict.fromkeys(("alias", "detach", "detach_", "lift_fresh_copy", "lift_fresh"), _same),
    **{f"upsample_{one}": _resize for one in _RESIZING},
    **dict.fromkeys(_IN_PLACE, _in_place),
    **dict.fromkeys(("to", "_to_copy"), _cast),
    **dict.fromkeys(("dropout", "feature_dropout", "alpha_dropout"), _dropout),
}


def _line(node: fx.Node) -> str:
    """Return the line of the user's code that a node comes of, from the trace that export keeps."""
    lines = [one.strip() for one in (node.stack_trace or "").splitlines() if one.strip()]
    places = [number for number, one in enumerate(lines) if one.startswith("File ")]
    if not places:
        return node.name
    file, number = lines[places[-1]].split('"')[1], lines[places[-1]].split("line ")[1].split(",")[0]
    code = lines[places[-1] + 1] if len(lines) > places[-1] + 1 else ""
    return f"{file.rsplit('/', 1)[-1]}:{number} ({code})"
