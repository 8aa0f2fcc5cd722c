"""The table of every figure before and after, with the gain as factor and in percent."""

from collections.abc import Mapping
from typing import Any

from lissome.reports.elements import Cell, Rows, Table
from lissome.reports.figures import (
    ABSENT,
    at,
    count,
    decimal,
    factor,
    milliseconds,
    names_in,
    number_at,
    percent,
    signed,
)
from lissome.reports.verdicts import (
    SIDES,
    accuracy_change,
    accuracy_tone,
    both,
    ratio_of,
    speed_tone,
    speed_verdict,
    standard_error,
)

Comparison = Mapping[str, Any]
Row = tuple[Cell, ...]


def before_after_content(comparison: Comparison) -> tuple[Table, ...]:
    """Return the table; figures that a comparison lacks are left out, and so is a table without any."""
    images = number_at(comparison, "test_images")
    on_images = f" on {count(images)} test images" if images else ""
    groups = (
        Rows(_counts(comparison), "Counted"),
        Rows(_files(comparison), "File"),
        Rows(_accuracies(comparison, images), f"Accuracy{on_images}"),
        Rows(_latencies(comparison), "Latency of one image: median, least to greatest"),
        Rows(_precisions(comparison), "Computes in"),
    )
    filled = tuple(one for one in groups if one.rows)
    columns = ("", "Original", "Compressed", "Change", "Percent")
    return (Table(columns=columns, groups=filled, stacked=True),) if filled else ()


def _counts(comparison: Comparison) -> tuple[Row, ...]:
    rows = []
    for name, label in (("params", "Parameters"), ("macs", "Multiply-adds (MACs)")):
        before, after = both(comparison, name)
        if before is not None or after is not None:
            rows.append((Cell(label), Cell(count(before)), Cell(count(after)), *_gain(before, after, "fewer", "more")))
    return tuple(rows)


def _files(comparison: Comparison) -> tuple[Row, ...]:
    pairs = {one: both(comparison, "engine_file_kib", one) for one in _engines(comparison, "engine_file_kib")}
    whole = both(comparison, "file_kib")
    if not pairs and whole != (None, None):
        pairs = {"file": whole}
    return tuple(
        (Cell(name), *(Cell(decimal(one, 1, "KiB")) for one in pair), *_gain(*pair, "smaller", "larger"))
        for name, pair in pairs.items()
    )


def _accuracies(comparison: Comparison, images: float | None) -> tuple[Row, ...]:
    rows = []
    for engine in _engines(comparison, "accuracy"):
        pair = both(comparison, "accuracy", engine)
        change, error = accuracy_change(comparison, engine), standard_error(pair, images)
        detail = "" if error is None else f"standard error {decimal(error, 2)}"
        gain = Cell(signed(change, 2, "points"), detail=detail, tone=accuracy_tone(change))
        rows.append((Cell(engine), *(Cell(percent(one)) for one in pair), gain, Cell("")))
    return tuple(rows)


def _latencies(comparison: Comparison) -> tuple[Row, ...]:
    return tuple(
        (Cell(engine), *(_latency(at(comparison, side), engine) for side in SIDES), *_speedup(comparison, engine))
        for engine in names_in(at(comparison, "speedup"), *(at(comparison, side, "latency_ms") for side in SIDES))
    )


def _latency(side: Any, engine: str) -> Cell:
    least, greatest = (number_at(side, name, engine) for name in ("latency_ms_min", "latency_ms_max"))
    span = "" if least is None or greatest is None else f"{milliseconds(least)} to {milliseconds(greatest)}"
    median = number_at(side, "latency_ms", engine)
    return Cell(ABSENT if median is None else f"{milliseconds(median)} ms", detail=span)


def _speedup(comparison: Comparison, engine: str) -> tuple[Cell, Cell]:
    """Return the speed-up by pairs; where there is none, the ratio of the medians, called that."""
    entry = at(comparison, "speedup", engine)
    ratio, low, high = (number_at(entry, name) for name in ("ratio", "low", "high"))
    if ratio is None:
        ratio = ratio_of(*both(comparison, "latency_ms", engine))
        words, detail, tone = "", "ratio of the medians", speed_tone(None)
    else:
        verdict = speed_verdict(entry)
        words, tone = "as fast" if verdict == "faster" else f"– {verdict}", speed_tone(verdict)
        rounds = number_at(entry, "rounds")
        spans = (
            "" if low is None or high is None else f"95 %: {factor(low)} to {factor(high)}",
            f"{count(rounds)} pairs" if rounds else "",
        )
        detail = ", ".join(one for one in spans if one)
    if not ratio:
        return Cell(ABSENT), Cell(ABSENT)
    gain = Cell(f"{factor(ratio)} {words}".rstrip(), detail=detail, tone=tone)
    return gain, Cell(signed(100 / ratio - 100, 1, "%"))


def _precisions(comparison: Comparison) -> tuple[Row, ...]:
    return tuple(
        (
            Cell(engine),
            *(Cell(str(at(comparison, side, "precision", engine) or ABSENT)) for side in SIDES),
            *(Cell(""), Cell("")),
        )
        for engine in _engines(comparison, "precision")
    )


def _gain(before: float | None, after: float | None, less: str, more: str) -> tuple[Cell, Cell]:
    ratio = ratio_of(before, after)
    if ratio is None or before is None or after is None:
        return Cell(ABSENT), Cell(ABSENT)
    share = Cell(signed(100 * (after / before - 1), 1, "%"))
    if ratio == 1:
        return Cell("the same"), share
    if ratio > 1:
        return Cell(f"{factor(ratio)} {less}", tone="good"), share
    return Cell(f"{factor(1 / ratio)} {more}", tone="bad"), share


def _engines(comparison: Comparison, figure: str) -> list[str]:
    return names_in(*(at(comparison, side, figure) for side in SIDES))
