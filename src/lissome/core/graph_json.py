"""Calls of a traced graph as JSON, limited to operators on tensors.

torch.fx turns a graph into Python source, names included, so every name is checked as well as every function.
"""

import keyword
import operator
import re
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import fx
from torch.nn import functional

from lissome.core.errors import BadArtifactError, BadModelError

_OPERATORS = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "neg", "pos", "pow", "matmul", "abs", "getitem"),
    *("eq", "ne", "lt", "le", "gt", "ge", "and_", "or_", "not_", "iadd", "isub", "imul", "itruediv", "ifloordiv"),
)
_FILE_READERS = ("from_file",)
_ATTRIBUTES = ("shape", "dtype", "device", "ndim", "T", "mT", "H", "mH", "real", "imag", "data", "requires_grad")
_GETATTR_ARGUMENTS = tuple((name,) for name in _ATTRIBUTES)
_PATH = re.compile(r"\w+(\.\w+)*", re.ASCII)


def _tensor_functions() -> dict[str, Callable[..., Any]]:
    # torch re-exports its tensor operators from this holder; what else lives in `torch` (load, save …) is not in it.
    holder = torch._C._VariableFunctions
    names = [name for name in dir(holder) if not name.startswith("_") and name not in _FILE_READERS]
    found = {f"torch.{name}": getattr(torch, name) for name in names if hasattr(torch, name)}
    for name in dir(functional):
        if not name.startswith("_") and callable(getattr(functional, name)):
            value = getattr(functional, name)
            if getattr(value, "__module__", None) in ("torch.nn.functional", "torch._C._nn", None):
                found.setdefault(f"functional.{name}", value)
    found |= {f"operator.{name}": getattr(operator, name) for name in _OPERATORS}
    for name in ("split", "stack", "einsum", "meshgrid", "norm"):  # Python functions, so not in the holder
        found[f"torch.{name}"] = getattr(torch, name)
    return {**found, "getattr": getattr}


FUNCTIONS = _tensor_functions()
_NAMES: dict[Any, str] = {value: name for name, value in reversed(list(FUNCTIONS.items())) if callable(value)}


def encode_target(node: fx.Node) -> str:
    """Return a name for what a node calls.

    Raises:
        BadModelError: The node calls a function that is no tensor operator.
    """
    if node.op != "call_function":
        return str(node.target)
    if node.target not in _NAMES:
        raise BadModelError(f"a call of {node.target} cannot be written", where=node.name)
    if node.target is getattr and node.args[1:] not in _GETATTR_ARGUMENTS:
        raise BadModelError(f"reading the attribute {node.args[1]!r} cannot be written", where=node.name)
    return _NAMES[node.target]


def decode_target(op: str, name: str, args: tuple[Any, ...], paths: Collection[str]) -> Any:
    """Return what `encode_target` named.

    Args:
        op: The kind of node.
        name: What it calls.
        args: Its arguments, decoded.
        paths: The layers and tensors that the model has.

    Raises:
        BadArtifactError: The name is not of a tensor operator, or of no part of the model.
    """
    if op == "call_function":
        allowed = name in FUNCTIONS and (name != "getattr" or args[1:] in _GETATTR_ARGUMENTS)
    elif op == "call_method":
        allowed = name.isidentifier() and not name.startswith("_") and hasattr(torch.Tensor, name)
    elif op in ("call_module", "get_attr"):
        allowed = name in paths and is_path(name)
    else:
        allowed = op in ("placeholder", "output") and _is_name(name.lstrip("*"))
    if not allowed:
        raise BadArtifactError(f"the {op.removeprefix('call_')} {name!r} is not allowed")
    return FUNCTIONS[name] if op == "call_function" else name


def is_path(text: str) -> bool:
    """Tell whether a text can be the path of a layer or tensor: words with dots between.

    Example:
        >>> is_path("layer1.0.conv"), is_path('a"), exit("')
        (True, False)
    """
    return _PATH.fullmatch(text) is not None


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def encode_argument(value: Any) -> Any:
    """Return an argument as JSON; what JSON lacks becomes a one-entry table.

    Example:
        >>> encode_argument((1, slice(None, 2), torch.float32))
        {'tuple': [1, {'slice': [None, 2, None]}, {'dtype': 'float32'}]}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    for kind, write in _WRITERS.items():
        if isinstance(value, kind):
            return write(value)
    raise BadModelError(f"an argument of type {type(value).__name__} cannot be written")


_DTYPES = {name: value for name, value in vars(torch).items() if isinstance(value, torch.dtype)}
_WRITERS: dict[type, Callable[[Any], Any]] = {
    fx.Node: lambda one: {"node": one.name},
    slice: lambda one: {"slice": [encode_argument(part) for part in (one.start, one.stop, one.step)]},
    tuple: lambda one: {"tuple": [encode_argument(part) for part in one]},
    list: lambda one: [encode_argument(part) for part in one],
    dict: lambda one: {"dict": {str(key): encode_argument(part) for key, part in one.items()}},
    torch.dtype: lambda one: {"dtype": str(one).removeprefix("torch.")},
    torch.device: lambda one: {"device": str(one)},
    type(Ellipsis): lambda _: {"ellipsis": True},
}


def decode_keywords(table: dict[str, Any], nodes: dict[str, fx.Node]) -> dict[str, Any]:
    """Return keyword arguments that `encode_argument` wrote.

    Raises:
        BadArtifactError: A keyword is no name.
    """
    for key in table:
        if not _is_name(key):
            raise BadArtifactError(f"the keyword {key!r} is not allowed")
    return {key: decode_argument(value, nodes) for key, value in table.items()}


def decode_argument(value: Any, nodes: dict[str, fx.Node]) -> Any:
    """Return what `encode_argument` wrote, with nodes looked up by name."""
    if isinstance(value, list):
        return [decode_argument(one, nodes) for one in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    readers: dict[str, Callable[[Any], Any]] = {
        "node": lambda one: nodes[one],
        "slice": lambda one: slice(*(decode_argument(part, nodes) for part in one)),
        "tuple": lambda one: tuple(decode_argument(part, nodes) for part in one),
        "dict": lambda one: {key: decode_argument(part, nodes) for key, part in one.items()},
        "dtype": _DTYPES.__getitem__,
        "device": torch.device,
        "ellipsis": lambda _: Ellipsis,
    }
    return readers[kind](inner)
