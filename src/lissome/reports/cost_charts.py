"""Plotly figures of a profile: its calls below a device's roofs, and the memory of activations over time."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lissome.reports.charts import chart_of, empty_figure, plain
from lissome.reports.elements import Chart
from lissome.reports.figures import at, milliseconds, number_at

_ROOFLINE_HEIGHT, _MEMORY_HEIGHT = 380, 260
_SMALLEST, _LARGEST = 6.0, 34.0
_WAYS = {"separate": "each its own", "in_place": "in place", "folded": "folded and in place"}


def roofline_chart(prediction: Mapping[str, Any], labels: Sequence[str]) -> Chart:
    """Return the calls by intensity and attainable speed, their area the time they take, under the device's roofs.

    Args:
        prediction: A prediction's dict.
        labels: A name for each of its rows.
    """
    rows = list(zip(labels, at(prediction, "rows") or (), strict=False))
    points = [(label, row) for label, row in rows if (number_at(row, "flops_per_byte") or 0) > 0]
    figure = empty_figure()
    intensities = [row["flops_per_byte"] for _, row in points] or [1.0]
    peak, slopes = _roofs(prediction)
    roof_x, roof_y = _roof(peak, slopes, min(intensities) / 2, max(*intensities, peak / min(slopes)) * 2)
    figure.add_scatter(
        name="roofs",
        x=roof_x,
        y=roof_y,
        mode="lines",
        hovertemplate="%{x:.3g} FLOPs/byte: %{y:.3g} GFLOP/s<extra></extra>",
    )
    whole = number_at(prediction, "total_ms") or 1.0
    for bound in ("memory", "compute"):
        mine = [(label, row) for label, row in points if row.get("bound") == bound]
        figure.add_scatter(
            name=f"bound by {bound}",
            x=[row["flops_per_byte"] for _, row in mine],
            y=[row["attainable_flops_per_s"] / 1e9 for _, row in mine],
            text=[f"{plain(label)}<br>{milliseconds(row['ms'])} ms, {row['ms'] / whole:.1%}" for label, row in mine],
            mode="markers",
            marker={"size": [_diameter(row["ms"] / whole) for _, row in mine], "opacity": 0.65, "line": {"width": 1}},
            hovertemplate="%{text}<br>%{x:.3g} FLOPs/byte, %{y:.3g} GFLOP/s<extra></extra>",
        )
    figure.update_xaxes(type="log", dtick=1, title={"text": "FLOPs a byte"}, fixedrange=False)
    figure.update_yaxes(type="log", dtick=1, title={"text": "GFLOP/s"}, fixedrange=False)
    figure.update_layout(dragmode="zoom")
    return chart_of("Roofline; the larger a call, the more of the time", figure, _ROOFLINE_HEIGHT)


def memory_chart(peaks: Mapping[str, Any]) -> Chart:
    """Return the memory of activations over the calls, for each way of running the network.

    Args:
        peaks: The peaks' dict.
    """
    figure = empty_figure()
    for key, name in _WAYS.items():
        timeline = at(peaks, key, "timeline") or ()
        # Where there are fewer calls, because some are done in one go, those left keep their share of the way.
        step = 100 / max(1, len(timeline))
        figure.add_scatter(
            name=name,
            x=[step * place for place in range(len(timeline))],
            y=[size / 1024 for _, size in timeline],
            text=[plain(str(layer)) for layer, _ in timeline],
            mode="lines",
            line={"shape": "hv"},
            hovertemplate="%{text}<br>%{fullData.name}: %{y:,.0f} KiB<extra></extra>",
        )
    figure.update_xaxes(title={"text": "% of the calls"}, fixedrange=False)
    figure.update_yaxes(rangemode="tozero")
    figure.update_layout(dragmode="zoom")
    return chart_of("Memory of activations, KiB as float32", figure, _MEMORY_HEIGHT)


def _roofs(prediction: Mapping[str, Any]) -> tuple[float, list[float]]:
    """Return the peak in GFLOP/s, and GB/s of memory and of each cache whose rate is known."""
    precision = str(at(prediction, "precision"))
    peak = number_at(prediction, "device", "peak_flops_per_s", precision) or 1.0
    caches = at(prediction, "device", "cache_bytes_per_s") or ()
    rates = [number_at(prediction, "device", "bytes_per_s") or 1.0, *caches]
    return peak / 1e9, [rate / 1e9 for rate in dict.fromkeys(rates)]


def _roof(peak: float, slopes: Sequence[float], start: float, end: float) -> tuple[list[Any], list[Any]]:
    """Return one line a slope up to the peak, with a gap behind each."""
    across: list[float | None] = []
    up: list[float | None] = []
    for slope in slopes:
        corner = peak / slope
        across += [min(start, corner), corner, end, None]
        up += [min(start, corner) * slope, peak, peak, None]
    return across, up


def _diameter(share: float) -> float:
    return max(_SMALLEST, min(_LARGEST, 2 * _LARGEST * math.sqrt(max(share, 0.0))))
