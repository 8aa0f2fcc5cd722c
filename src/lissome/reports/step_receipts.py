"""What each step changed and declined, as its receipt says."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lissome.reports.charts import curve, curve_of_counts, heat_map, histogram
from lissome.reports.elements import Cell, Chart, Charts, Code, Content, Facts, Fold, Prose, Rows, Section, Table
from lissome.reports.figures import anything, at, count, names_in, number_at, percent, seconds

Receipt = Mapping[str, Any]

_DEFAULT_STRENGTH = 1e-4  # receipts leave settings at their default out


def steps_of(outcome: Any) -> Iterator[Receipt]:
    """Yield the receipts of the single steps of an outcome's dict, in the order they ran.

    Example:
        >>> [one["step"] for one in steps_of({"step": "Recipe", "parts": [{"step": "Train"}, {"step": "Quantize"}]})]
        ['Train', 'Quantize']
    """
    parts = at(outcome, "parts")
    if parts:
        for part in parts:
            yield from steps_of(part)
    elif at(outcome, "step"):
        yield outcome


def step_sections(outcome: Any) -> tuple[Section, ...]:
    """Return what each step did, and the curves of those that trained."""
    steps = list(steps_of(outcome))
    folds = tuple(_fold(number, one) for number, one in enumerate(steps, start=1))
    curves = tuple(chart for one in steps for chart in _curves(one, is_only=_trained(steps) == 1))
    scales = tuple(chart for one in steps for chart in _histograms(one))
    scans = tuple(chart for one in steps for chart in _scans(one))
    ranges = tuple(chart for one in steps for chart in _calibrations(one))
    return (
        Section("What each step did", folds),
        Section("Training", (Charts(curves),) if curves else ()),
        Section("Scales after training", (Charts(scales),) if scales else ()),
        Section("What the loss of channels costs", (Charts(scans),) if scans else ()),
        Section("How many images calibrate", (Charts(ranges),) if ranges else ()),
    )


def _fold(number: int, receipt: Receipt) -> Fold:
    notes = at(receipt, "notes") or ()
    changed = [note for note in notes if note.get("applied", True)]
    declined = [note for note in notes if not note.get("applied", True)]
    badges = [f"{count(len(one))} {word}" for one, word in ((changed, "changed"), (declined, "declined")) if one]
    facts = _measurements(at(receipt, "measurements") or {})
    content: list[Content] = [*_settings(at(receipt, "settings") or {}), *([Facts(facts)] if facts else [])]
    content += [_notes(word, one) for one, word in ((changed, "Changed"), (declined, "Declined")) if one]
    if not content:
        content.append(Prose(("Default settings, and nothing to note.",)))
    title = f"{number}. {receipt.get('step', 'step')}"
    return Fold(title=title, badges=(*badges, seconds(number_at(receipt, "seconds"))), content=tuple(content))


def _settings(settings: Mapping[str, Any]) -> list[Content]:
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in settings.items() if name != "kind"]
    return [Code("\n".join(lines))] if lines else []


def _measurements(measurements: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the figures; ``macs_before`` and ``macs`` become one."""
    facts = []
    for name, value in measurements.items():
        is_before = name.endswith("_before") and name.removesuffix("_before") in measurements
        if is_before or isinstance(value, list | Mapping):
            continue
        before = measurements.get(f"{name}_before")
        facts.append((_words(name), anything(value) if before is None else f"{anything(before)} → {anything(value)}"))
    return tuple(facts)


def _notes(title: str, notes: Sequence[Mapping[str, Any]]) -> Table:
    """Return the layers by reason: one reason often holds for many."""
    layers: dict[str, list[str]] = {}
    for note in notes:
        layers.setdefault(str(note.get("reason", "")), []).append(str(note.get("layer") or "the network"))
    rows = tuple((Cell(reason), Cell(", ".join(names)), Cell(count(len(names)))) for reason, names in layers.items())
    return Table(columns=(title, "Layers", "Notes"), groups=(Rows(rows),), left=2, stacked=True)


def _trained(steps: Sequence[Receipt]) -> int:
    return sum(bool(at(one, "measurements", "history")) for one in steps)


def _curves(receipt: Receipt, *, is_only: bool) -> Iterator[Chart]:
    """Yield one chart for each figure of a training of two epochs or more, but for how long an epoch took."""
    history = at(receipt, "measurements", "history") or ()
    if len(history) < 2:
        return
    epochs = [number_at(one, "epoch") or place for place, one in enumerate(history, start=1)]
    for name in names_in(*history):
        values = [number_at(one, name) for one in history]
        if name in ("epoch", "seconds") or not any(value is not None for value in values):
            continue
        title = _words(name) if is_only else f"{_words(name)}, {receipt.get('step', '')}"
        yield curve(title, epochs, {name: values})


def _histograms(receipt: Receipt) -> Iterator[Chart]:
    """Yield the histogram of what a regularizer pulled towards zero."""
    edges, counts = (at(receipt, "measurements", "histogram", name) or () for name in ("edges", "counts"))
    if len(edges) == len(counts) + 1 > 1:
        pulled = at(receipt, "settings", "regularizer") or {}
        kind = "filters, root mean square weight" if pulled.get("kind") == "GroupLasso" else "|γ| of a channel"
        yield histogram(f"λ = {pulled.get('strength', _DEFAULT_STRENGTH):g}", kind, edges, counts)


def _scans(receipt: Receipt) -> Iterator[Chart]:
    """Yield the chart of a scan that cut the groups one by one."""
    if chart := sensitivity_chart(at(receipt, "measurements", "sensitivity")):
        yield chart


def _calibrations(receipt: Receipt) -> Iterator[Chart]:
    """Yield the chart of a scan that calibrated on few images and on many."""
    scan = at(receipt, "measurements", "calibration")
    counts, metric, exact = at(scan, "images") or (), at(scan, "metric") or (), number_at(scan, "float")
    if counts and len(counts) == len(metric) and exact is not None:
        series = {"float": [exact] * len(counts), "rounded": list(metric)}
        yield curve_of_counts("Metric on validation images", "images that ranges are calibrated on", counts, series)


def sensitivity_chart(scan: Any) -> Chart | None:
    """Return what each group of channels loses at each share that stays of it, or None for a scan of nothing.

    Args:
        scan: The measurement of a `SensitivityScan`.
    """
    base, groups, shares = number_at(scan, "base"), at(scan, "groups") or (), at(scan, "keep") or ()
    if base is None or not groups or not shares:
        return None
    order = sorted(range(len(shares)), key=lambda place: -shares[place])
    lost = [[100 * (base - one["metric"][place]) for place in order] for one in groups]
    columns = [f"{percent(shares[place], 0)} stay" for place in order]
    title = "Points of the metric lost where one group alone is cut"
    return heat_map(title, [str(one["name"]) for one in groups], columns, lost)


def _words(name: str) -> str:
    return name.replace("_", " ")
