"""Settings as plain tables: what receipts show, recipes write to TOML, and runs are recognised by."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


def settings_of(value: Any) -> Any:
    """Return a setting as plain values; a dataclass becomes a table with its class's name under "kind".

    Fields at their default are left out; a module is named by its class and the hash of its weights.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Score:
        ...     power: int = 1
        >>> settings_of(Score()), settings_of(Score(2)), settings_of((1, 2))
        ({'kind': 'Score'}, {'kind': 'Score', 'power': 2}, [1, 2])
    """
    if isinstance(value, nn.Module):
        return {"kind": "module", "class": type(value).__name__, "weights": fingerprint(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {one.name: getattr(value, one.name) for one in dataclasses.fields(value) if one.init}
        plain = {name: settings_of(entry) for name, entry in changed.items() if not _is_default(value, name)}
        return {"kind": type(value).__name__, **plain}
    if isinstance(value, Mapping):
        return {str(key): settings_of(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [settings_of(entry) for entry in value]
    return value


def _is_default(value: Any, name: str) -> bool:
    field = next(one for one in dataclasses.fields(value) if one.name == name)
    default = field.default
    if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    current = getattr(value, name)
    return type(current) is type(default) and bool(current == default)


def fingerprint(model: nn.Module) -> str:
    """Return a hash of a model's structure and weights: 16 hexadecimal digits."""
    state = dict(sorted(model.state_dict().items()))
    return key_of(repr(model), list(state), hash_of_tensors(*state.values()))


def hash_of_tensors(*tensors: torch.Tensor) -> str:
    """Return a hash of shapes, types and values: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
        # bfloat16 has no numpy twin, so bytes are taken through a view as integers.
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def key_of(*parts: Any) -> str:
    """Return a hash of plain values: 16 hexadecimal digits, equal for equal values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
