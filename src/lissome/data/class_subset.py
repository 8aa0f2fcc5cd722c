"""Some classes of a task: their images alone, or beside all others as one class more."""

from collections.abc import Sequence

import numpy as np

from lissome.core.errors import SettingError
from lissome.core.names import choose
from lissome.data.hold_out import stratified_order
from lissome.data.split import Indices, Split

OTHER = "other"


def class_numbers(classes: Sequence[int | str], names: Sequence[str]) -> tuple[int, ...]:
    """Return classes as numbers, ascending.

    Raises:
        SettingError: One does not exist or is named twice, or it is none or all of them.
        UnknownNameError: There is no class of that name; says what was probably meant.

    Example:
        >>> class_numbers(("dog", 0), ("cat", "dog", "frog"))
        (0, 1)
    """
    known = {name: number for number, name in enumerate(names)}
    numbers = [choose(known, one, "class") if isinstance(one, str) else one for one in classes]
    for one in numbers:
        if not 0 <= one < len(names):
            raise SettingError(f"there is no class {one}", where="classes", fix=f"choose of 0 to {len(names) - 1}")
    if len(set(numbers)) != len(numbers) or not 0 < len(numbers) < len(names):
        raise SettingError(
            f"{', '.join(map(str, classes)) or 'none'} of {len(names)} classes",
            where="classes",
            fix="name some of them, each once",
        )
    return tuple(sorted(numbers))


def subset_of(split: Split, chosen: Sequence[int], classes: int, *, other: bool, even: bool) -> Split:
    """Return the images of some classes, numbered anew from 0; with `other` also the rest, as the last class.

    Args:
        split: Left as it is.
        chosen: Numbers of the classes, ascending.
        classes: How many there are.
        other: Keep images of the other classes.
        even: Of those no more than of the chosen ones together, a fair sample of each.
    """
    labels = split.labels()
    ours = np.isin(labels, chosen)
    rest = np.flatnonzero(~ours) if other else np.empty(0, np.int64)
    if even and len(rest) > ours.sum():
        rest = rest[stratified_order(labels[rest])[: ours.sum()]]
    positions: Indices = np.sort(np.concatenate([np.flatnonzero(ours), rest]))
    mapping = np.full(classes, len(chosen) if other else -1)
    mapping[list(chosen)] = np.arange(len(chosen))
    return split.subset(positions).relabelled(mapping)
