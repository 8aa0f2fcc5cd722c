"""Plotly figures: engines side by side, layers before and after, training curves, histograms.

They carry no colours. The page gives the first series the colour of the original network and the second that of the
compressed one, in its light or dark theme.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape, unescape
from itertools import pairwise
from typing import Any

from plotly import graph_objects

from lissome.reports.elements import Chart

_ENGINE_HEIGHT, _LAYER_HEIGHT, _FRAME_HEIGHT, _CURVE_HEIGHT = 64, 19, 48, 220
_MOST_LAYERS_NAMED = 80

Series = Mapping[str, Sequence[float | None]]


def engine_bars(
    title: str,
    engines: Sequence[str],
    series: Series,
    *,
    labels: Mapping[str, Sequence[str]],
    errors: Series | None = None,
    limit: float | None = None,
) -> Chart:
    """Return bars of one figure on each engine, one bar for each network.

    Args:
        title: The figure and its unit.
        engines: Names.
        series: For each network, one value an engine.
        labels: The same values as text.
        errors: Their standard errors.
        limit: End of the axis; None ends it behind the longest bar.
    """
    figure = empty_figure()
    for name, values in series.items():
        figure.add_bar(
            name=plain(name),
            y=[plain(one) for one in engines],
            x=list(values),
            text=[plain(one) for one in labels[name]],
            error_x={"array": list(errors[name]), "thickness": 1.5, "width": 4} if errors else None,
            orientation="h",
            textposition="auto",
            insidetextanchor="start",
            hovertemplate="%{y}, %{fullData.name}: %{text}<extra></extra>",
        )
    figure.update_layout(barmode="group", bargap=0.3, bargroupgap=0.08)
    figure.update_xaxes(rangemode="tozero", range=[0, limit] if limit else None)
    figure.update_yaxes(autorange="reversed", type="category")
    return chart_of(title, figure, _FRAME_HEIGHT + _ENGINE_HEIGHT * len(engines))


def layer_bars(title: str, layers: Sequence[str], series: Series) -> Chart:
    """Return bars of one figure of each layer, top to bottom; the second series lies on the first.

    Args:
        title: The figure and its unit.
        layers: Names, each once.
        series: For each network, one value a layer; None where it has no such layer.
    """
    figure = empty_figure()
    for place, (name, values) in enumerate(series.items()):
        figure.add_bar(
            name=plain(name),
            y=[plain(one) for one in layers],
            x=list(values),
            width=0.78 if place == 0 else 0.4,  # narrower, so that a layer that grew hides nothing
            orientation="h",
            hovertemplate="%{y}<br>%{fullData.name}: %{x:,}<extra></extra>",
        )
    named = len(layers) <= _MOST_LAYERS_NAMED
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(rangemode="tozero", nticks=6)
    figure.update_yaxes(autorange="reversed", type="category", showticklabels=named, dtick=1, tickfont={"size": 10})
    return chart_of(title, figure, _FRAME_HEIGHT + (_LAYER_HEIGHT if named else 6) * len(layers))


def heat_map(title: str, rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float]]) -> Chart:
    """Return a figure for each row and column, the larger the darker.

    Args:
        title: The figure and its unit.
        rows: Names, each once, top to bottom.
        columns: Names, each once.
        values: For each row, one value a column.
    """
    figure = empty_figure()
    figure.add_heatmap(
        x=[plain(one) for one in columns],
        y=[plain(one) for one in rows],
        z=[list(one) for one in values],
        texttemplate="%{z:.3~g}",
        xgap=1,
        ygap=1,
        hovertemplate="%{y}, %{x}: %{z:.3~g}<extra></extra>",
    )
    named = len(rows) <= _MOST_LAYERS_NAMED
    figure.update_xaxes(type="category", side="top")
    figure.update_yaxes(autorange="reversed", type="category", showticklabels=named, dtick=1, tickfont={"size": 10})
    return chart_of(title, figure, _FRAME_HEIGHT + (_LAYER_HEIGHT if named else 6) * len(rows))


def curve(title: str, epochs: Sequence[float | None], series: Series) -> Chart:
    """Return a figure's course over the epochs.

    Args:
        title: The figure.
        epochs: Numbers of the epochs, at least one.
        series: One value an epoch, by name.
    """
    figure = _lines(epochs, series, "epoch %{x}: %{y:.4g}<extra></extra>")
    figure.update_xaxes(title={"text": "epoch"}, tick0=epochs[0], dtick=math.ceil(len(epochs) / 10))
    return chart_of(title, figure, _CURVE_HEIGHT)


def curve_of_counts(title: str, x_title: str, counts: Sequence[float], series: Series) -> Chart:
    """Return a figure's course over numbers of things, each several times the one before.

    Args:
        title: The figure.
        x_title: What is counted.
        counts: The numbers, above 0.
        series: One value a number, by name.
    """
    figure = _lines(counts, series, "%{x:,}: %{y:.4g}<extra>%{fullData.name}</extra>")
    figure.update_xaxes(
        title={"text": plain(x_title)}, type="log", tickvals=list(counts), ticktext=list(map(str, counts))
    )
    figure.update_layout(showlegend=len(series) > 1)
    return chart_of(title, figure, _CURVE_HEIGHT)


def _lines(places: Sequence[float | None], series: Series, hover: str) -> Any:
    figure = empty_figure()
    for name, values in series.items():
        figure.add_scatter(
            name=plain(name),
            x=list(places),
            y=list(values),
            mode="lines+markers" if len(places) <= 60 else "lines",
            hovertemplate=hover,
        )
    return figure


def histogram(title: str, x_title: str, edges: Sequence[float], counts: Sequence[float]) -> Chart:
    """Return how many numbers lie in each bin.

    Args:
        title: What is counted.
        x_title: The number.
        edges: Of the bins, one more than `counts`.
        counts: Of numbers in each.
    """
    figure = empty_figure()
    bins = list(pairwise(edges))
    figure.add_bar(
        name=plain(title),
        x=[(left + right) / 2 for left, right in bins],
        y=list(counts),
        width=[right - left for left, right in bins],
        customdata=[list(one) for one in bins],
        hovertemplate="%{customdata[0]:.3g} to %{customdata[1]:.3g}: %{y:,}<extra></extra>",
    )
    figure.update_layout(bargap=0)
    figure.update_xaxes(title={"text": plain(x_title)}, rangemode="tozero")
    return chart_of(title, figure, _CURVE_HEIGHT)


def empty_figure() -> Any:
    """Return a figure without a style."""
    return graph_objects.Figure(layout={"template": "none"})


def chart_of(title: str, figure: Any, height: int) -> Chart:
    """Return a figure for the page, with its legend beside the title."""
    # The page draws the legend: plotly.js's own takes half of a narrow screen.
    figure.update_layout(template=None, showlegend=False)
    names = tuple(unescape(one.name or "") for one in figure.data)
    return Chart(title=title, figure=figure.to_plotly_json(), height=height, legend=names if len(names) > 1 else ())


def plain(text: str) -> str:
    """Return text that plotly.js shows as it is; it takes tags and entities for markup."""
    return escape(text, quote=False)
