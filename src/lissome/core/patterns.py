"""Patterns of layer paths, as settings name them: ``stages.*.conv2``."""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from itertools import islice

from lissome.core.errors import SettingError


def matches(path: str, patterns: Sequence[str]) -> bool:
    """Tell whether a path fits one of the patterns.

    Example:
        >>> matches("stages.0.conv1", ("stem*", "*.conv1")), matches("stages.0.conv1", ())
        (True, False)
    """
    return any(fnmatchcase(path, one) for one in patterns)


def check_patterns(patterns: Sequence[str], paths: Collection[str], where: str, what: str = "layer") -> None:
    """Refuse a pattern that fits nothing.

    Args:
        patterns: From a setting.
        paths: What there is.
        where: The setting.
        what: What the paths are of.

    Raises:
        SettingError: Names the pattern, and some of what there is.

    Example:
        >>> check_patterns(("head*",), ["stem", "classifier"], "PruneWeights.skip")
        Traceback (most recent call last):
        lissome.core.errors.SettingError: PruneWeights.skip: no layer matches 'head*'; layers are stem, classifier, …
    """
    for pattern in patterns:
        if not any(fnmatchcase(path, pattern) for path in paths):
            raise SettingError(
                f"no {what} matches {pattern!r}", where=where, fix=f"{what}s are {', '.join(islice(paths, 4))}, …"
            )
