"""Name tables: literal dicts of names that are resolved once, at the edge, with "did you mean"."""

import difflib
import importlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from lissome.core.errors import UnknownNameError

T = TypeVar("T")


def choose(table: Mapping[str, T], name: str, kind: str) -> T:
    """Return the entry of a table, or say what was probably meant.

    Args:
        table: Names to entries.
        name: The name asked for.
        kind: What the table lists, for the message: "model", "step".

    Raises:
        UnknownNameError: The table has no such name.

    Example:
        >>> choose({"resnet20": 1}, "resnet2", "model")
        Traceback (most recent call last):
        lissome.core.errors.UnknownNameError: no model is called 'resnet2'; did you mean 'resnet20'?
    """
    if name in table:
        return table[name]
    raise UnknownNameError(f"no {kind} is called {name!r}", fix=_suggest(table, name, kind))


def _suggest(table: Iterable[str], name: str, kind: str) -> str:
    names = sorted(table)
    lowered = {one.lower(): one for one in names}
    close = difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(repr(lowered[one]) for one in close) + "?"
    shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    return f"known {kind}s: {shown}"


def load_attribute(path: str) -> Any:
    """Import what a table's entry names, "module:attribute" or "module".

    Tables hold strings so that listing them loads nothing.

    Example:
        >>> load_attribute("math:pi")
        3.141592653589793
    """
    module, _, attribute = path.partition(":")
    loaded = importlib.import_module(module)
    return getattr(loaded, attribute) if attribute else loaded
