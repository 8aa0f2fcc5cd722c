"""Figures as text: one way of writing each unit, and a dash for what was not measured."""

import math
from collections.abc import Mapping
from typing import Any

ABSENT = "–"


def at(table: Any, *keys: str) -> Any:
    """Return what lies under nested keys, or None where any of them is missing.

    Example:
        >>> at({"a": {"b": 1}}, "a", "b"), at({"a": {"b": 1}}, "c", "b")
        (1, None)
    """
    for key in keys:
        if not isinstance(table, Mapping) or key not in table:
            return None
        table = table[key]
    return table


def names_in(*tables: Any) -> list[str]:
    """Return the keys of all tables, each once, in the order they first appear; what is no table has none.

    Example:
        >>> names_in({"ncnn": 1}, None, {"torch": 2, "ncnn": 3})
        ['ncnn', 'torch']
    """
    return list(dict.fromkeys(str(key) for table in tables if isinstance(table, Mapping) for key in table))


def number_at(table: Any, *keys: str) -> float | None:
    """Return the finite number that lies under nested keys, or None."""
    value = at(table, *keys)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) else None


def count(value: float | None) -> str:
    """Write a whole number.

    Example:
        >>> count(40551040), count(None)
        ('40,551,040', '–')
    """
    return ABSENT if value is None else f"{value:,.0f}"


def decimal(value: float | None, digits: int, unit: str = "") -> str:
    """Write a number with a fixed number of decimals and its unit.

    Example:
        >>> decimal(1080.22, 1, "KiB"), decimal(-0.8, 2)
        ('1,080.2 KiB', '−0.80')
    """
    return ABSENT if value is None else f"{value:,.{digits}f} {unit}".rstrip().replace("-", "−")


def milliseconds(value: float | None) -> str:
    """Write a latency with three significant digits, at least.

    Example:
        >>> milliseconds(0.6123), milliseconds(1234.5)
        ('0.612', '1,234')
    """
    if value is None:
        return ABSENT
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f}"


def seconds(value: float | None) -> str:
    """Write a duration.

    Example:
        >>> seconds(2.714), seconds(171.2)
        ('2.7 s', '2 min 51 s')
    """
    if value is None:
        return ABSENT
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


def percent(share: float | None, digits: int = 2) -> str:
    """Write a share of one.

    Example:
        >>> percent(0.917), percent(None)
        ('91.70 %', '–')
    """
    return ABSENT if share is None else decimal(100 * share, digits, "%")


def factor(ratio: float | None) -> str:
    """Write a ratio.

    Example:
        >>> factor(1.9), factor(12.345)
        ('1.90×', '12.3×')
    """
    return ABSENT if ratio is None else f"{ratio:.{2 if ratio < 10 else 1}f}×"


def signed(value: float | None, digits: int, unit: str) -> str:
    """Write a difference, its sign always shown.

    Example:
        >>> signed(-0.8, 2, "points"), signed(0.0, 1, "%")
        ('−0.80 points', '0.0 %')
    """
    if value is None:
        return ABSENT
    text = decimal(abs(value), digits, unit)
    if not any(digit in text for digit in "123456789"):
        return text
    return ("+" if value > 0 else "−") + text


def anything(value: Any) -> str:
    """Write a measurement whose unit is in its name.

    Example:
        >>> anything(80770), anything(0.90123), anything("bfloat16"), anything(True)
        ('80,770', '0.9012', 'bfloat16', 'yes')
    """
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", "−")
    return str(value)
