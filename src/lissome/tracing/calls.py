"""What a node of a traced graph calls, and the tensors among its arguments."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, fx


def operator_name(node: fx.Node) -> str:
    """Return the plain name of what a node calls: "add" for torch.add, operator.add and Tensor.add."""
    return str(node.target) if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))


def call(node: fx.Node, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Call the operator of a node with other arguments."""
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    assert callable(node.target)
    return node.target(*args, **kwargs)


def argument(args: Sequence[Any], kwargs: dict[str, Any], place: int, name: str, default: Any = None) -> Any:
    """Return an argument that can be given by its place or by its name."""
    return args[place] if len(args) > place else kwargs.get(name, default)


def index_axes(index: Any, dimensions: int) -> list[tuple[int, int]]:
    """Return which axis each entry of an index x[…] is about: pairs of (entry's place, axis).

    Example:
        >>> index_axes((Ellipsis, slice(0, 2)), 4)
        [(1, 3)]
    """
    entries = list(index) if isinstance(index, tuple | list) else [index]
    taken = sum(one is not None and one is not Ellipsis for one in entries)
    found, axis = [], 0
    for place, one in enumerate(entries):
        if one is Ellipsis:
            axis += dimensions - taken
        elif one is not None:
            found.append((place, axis))
            axis += 1
    return found


def pad_amounts(amounts: Sequence[Any], from_last: int) -> tuple[Any, Any]:
    """Return what is added before and after an axis, counted from the last one (which is 1)."""
    place = 2 * (from_last - 1)
    return (amounts[place], amounts[place + 1]) if place + 1 < len(amounts) else (0, 0)


def flat_tensors(value: Any) -> list[Tensor]:
    """Return the tensors anywhere inside nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    return [one for entry in value for one in flat_tensors(entry)] if isinstance(value, tuple | list) else []


def map_tensors(value: Any, change: Callable[[Tensor], Any]) -> Any:
    """Return nested tuples and lists with each tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    return tuple(map_tensors(one, change) for one in value) if isinstance(value, tuple | list) else value
