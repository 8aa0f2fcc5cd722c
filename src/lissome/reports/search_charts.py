"""Pictures of a search: the front, the timeline, and the widths before and after."""

from collections.abc import Mapping, Sequence
from typing import Any

from lissome.reports.charts import chart_of, empty_figure, layer_bars, plain
from lissome.reports.elements import Chart

_FRONT_HEIGHT, _TIMELINE_HEIGHT = 380, 240
_LEAST_SIZE, _MOST_SIZE = 9, 26

Trials = Sequence[Mapping[str, Any]]
Widths = Sequence[Sequence[Any]]


def front_chart(trials: Trials, finalists: Trials, limit: Mapping[str, Any]) -> Chart:
    """Return latency against drop, with the size of the file as the size of the point; a click opens the trial.

    Args:
        trials: After the short recovery.
        finalists: After the full one.
        limit: The limits, drawn as lines where they are set.
    """
    figure = empty_figure()
    largest = max(one["figures"]["stored_kib"] for one in (*trials, *finalists))
    for name, group in (("short recovery", trials), ("full recovery", finalists)):
        if not group:
            continue
        figure.add_scatter(
            name=name,
            x=[one["figures"]["latency_ms"] for one in group],
            y=[100 * one["figures"]["drop"] for one in group],
            mode="markers",
            marker={
                "size": [
                    _LEAST_SIZE + (_MOST_SIZE - _LEAST_SIZE) * (one["figures"]["stored_kib"] / largest) ** 0.5
                    for one in group
                ],
                "opacity": 0.75,
                "symbol": "circle" if name.startswith("short") else "diamond",
            },
            customdata=[f"trial-{one['number']}-{one['stage']}" for one in group],
            text=[
                f"trial {one['number']}: {plain(', '.join(f'{k} {v}' for k, v in one['parameters'].items()))}"
                for one in group
            ],
            hovertemplate="%{text}<br>%{x:.3f} ms, drop %{y:.2f} points<extra></extra>",
        )
    line = {"width": 1, "dash": "dot", "color": "gray"}
    if limit.get("max_ms"):
        figure.add_vline(x=limit["max_ms"], line=line)
    if limit.get("max_drop") is not None:
        figure.add_hline(y=100 * limit["max_drop"], line=line)
    figure.update_xaxes(title={"text": "time of one image, ms"}, rangemode="tozero")
    figure.update_yaxes(title={"text": "drop, points (validation)"})
    return chart_of("Latency × drop × size: each point a network, larger with its file", figure, _FRONT_HEIGHT)


def timeline_chart(trials: Trials, finalists: Trials) -> Chart:
    """Return when each trial was worked on.

    Args:
        trials: All that ended, failed ones too.
        finalists: After the full recovery.
    """
    figure = empty_figure()
    for name, group in (("short recovery", trials), ("full recovery", finalists)):
        if not group:
            continue
        figure.add_bar(
            name=name,
            y=[one["number"] for one in group],
            base=[one["started"] for one in group],
            x=[one["seconds"] for one in group],
            orientation="h",
            hovertemplate="trial %{y}: %{x:.1f} s<extra></extra>",
        )
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(title={"text": "seconds since the search began"}, rangemode="tozero")
    figure.update_yaxes(title={"text": "trial"}, autorange="reversed")
    return chart_of("When each trial was worked on", figure, _TIMELINE_HEIGHT)


def widths_chart(before: Widths, after: Widths) -> Chart:
    """Return the channels that each layer makes, before and after.

    Args:
        before: Layer and width, in the order of the network.
        after: The same of the network that was cut.
    """
    return layer_bars("Channels that each layer makes", *_pairs(before, after))


def _pairs(before: Widths, after: Widths) -> tuple[list[str], dict[str, list[float | None]]]:
    kept = {str(name): float(width) for name, width in after}
    names = [str(name) for name, _ in before]
    names += [name for name in kept if name not in set(names)]
    plain_widths = {str(name): float(width) for name, width in before}
    series: dict[str, list[float | None]] = {
        "original": [plain_widths.get(name) for name in names],
        "compressed": [kept.get(name) for name in names],
    }
    return names, series
