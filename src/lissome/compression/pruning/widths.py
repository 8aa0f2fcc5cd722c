"""How many units of each group stay, before the scores say which."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal

import torch
from torch import Tensor

from lissome.compression.pruning.rounding import rounded_units
from lissome.core.errors import SettingError
from lissome.tracing.groups import Group

Scope = Literal["local", "global"]


def matches(group: Group, pattern: str) -> bool:
    """Tell whether a pattern of layer paths fits a layer that makes the group's channels."""
    makers = group.layers("selects" if group.is_selected else "produces")
    return any(fnmatchcase(layer, pattern) for layer in makers)


def check_patterns(groups: Sequence[Group], patterns: Sequence[str], setting: str) -> None:
    """Refuse a pattern that fits no group.

    Raises:
        SettingError: Names it, and layers that there are.
    """
    layers = [layer for group in groups for layer in group.layers("produces")]
    for pattern in patterns:
        if not any(matches(group, pattern) for group in groups):
            raise SettingError(
                f"no layer that can be pruned matches {pattern!r}",
                where=f"PruneChannels.{setting}",
                fix=f"layers are {', '.join(layers[:4])}, …",
            )


def wanted_units(
    groups: Sequence[Group],
    scores: Sequence[Tensor | None],
    keep: float,
    scope: Scope,
    keep_of: Mapping[str, float],
) -> list[float]:
    """Return how many units of each group would stay without rounding.

    Args:
        groups: Groups of channels.
        scores: For each group what its units are worth, or None where all stay.
        keep: Fraction that stays.
        scope: "local": of every group; "global": above one threshold for all groups without a fraction of their own.
        keep_of: Fractions of the groups whose layers fit a pattern; the first that fits counts.
    """
    own = [next((part for pattern, part in keep_of.items() if matches(group, pattern)), None) for group in groups]
    free = [worth for worth, part in zip(scores, own, strict=True) if worth is not None and part is None]
    threshold = None
    if scope == "global" and free:
        everything = torch.cat(free).sort(descending=True).values
        threshold = everything[max(1, round(keep * len(everything))) - 1]
    wanted = []
    for group, worth, part in zip(groups, scores, own, strict=True):
        if part is None and threshold is not None and worth is not None:
            wanted.append(float((worth >= threshold).sum()))
        else:
            wanted.append((keep if part is None else part) * len(group))
    return wanted


def kept_units(group: Group, wanted: float, multiple_of: int, least: float) -> int:
    """Return how many units stay: rounded, and not fewer than the least.

    Args:
        group: Channels that live and die together.
        wanted: Units one would keep without limits.
        multiple_of: What the channels kept shall be a multiple of, ≥ 1.
        least: A whole number of channels, or a fraction below 1 of the group's.
    """
    floor = least / group.channels_a_unit if isinstance(least, int) else least * len(group)
    return rounded_units(max(wanted, floor), len(group), group.channels_a_unit, multiple_of, least=floor)


def allowed_counts(group: Group, multiple_of: int, least: float) -> list[int]:
    """Return the numbers of units that a group may keep: whole multiples, not fewer than the least, and all.

    Args:
        group: Channels that live and die together.
        multiple_of: What the channels kept shall be a multiple of, ≥ 1.
        least: A whole number of channels, or a fraction below 1 of the group's.
    """
    floor = least / group.channels_a_unit if isinstance(least, int) else least * len(group)
    fewer = range(1, len(group))
    return [
        *(one for one in fewer if one >= floor and one * group.channels_a_unit % multiple_of == 0),
        len(group),
    ]
