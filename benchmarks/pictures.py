"""Small SVG pictures for the documents: lines and bars, in colours that light and dark pages both show."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from lissome.core.files import write_text

PICTURES = Path(__file__).parent.parent / "docs/pictures"
COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#e45756", "#b279a2")
_WIDTH, _HEIGHT = 560, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 30, 44
_TICKS = 5

Points = Sequence[tuple[float, float]]


def lines(name: str, title: str, x_title: str, series: Mapping[str, Points]) -> None:
    """Write `docs/pictures/NAME.svg`: one line a series, both axes from the least to the greatest value, y from 0."""
    points = [one for row in series.values() for one in row]
    x_range = (min(x for x, _ in points), max(x for x, _ in points))
    y_range = (0.0, max(y for _, y in points) or 1.0)
    body = []
    for colour, row in zip(COLOURS, series.values(), strict=False):
        places = [(_x(x, x_range), _y(y, y_range)) for x, y in row]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
    _write(name, title, x_title, list(series), body, x_range, y_range)


def steps(name: str, title: str, x_title: str, series: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> None:
    """Write `docs/pictures/NAME.svg`: histograms over each other, each as (edges, share of all in each bin)."""
    x_range = (0.0, max(edges[-1] for edges, _ in series.values()))
    y_range = (0.0, max(max(shares) for _, shares in series.values()))
    body = []
    for colour, (edges, shares) in zip(COLOURS, series.values(), strict=False):
        corners = [(edges[0], 0.0)]
        for left, right, share in zip(edges, edges[1:], shares, strict=False):
            corners += [(left, share), (right, share)]
        corners.append((edges[-1], 0.0))
        path = " ".join(f"{_x(x, x_range):.1f},{_y(y, y_range):.1f}" for x, y in corners)
        body.append(
            f'<polygon points="{path}" fill="{colour}" fill-opacity="0.25" stroke="{colour}" stroke-width="1.5"/>'
        )
    _write(name, title, x_title, list(series), body, x_range, y_range)


def _x(value: float, limits: tuple[float, float]) -> float:
    return _LEFT + (value - limits[0]) / (limits[1] - limits[0]) * (_WIDTH - _LEFT - _RIGHT)


def _y(value: float, limits: tuple[float, float]) -> float:
    return _HEIGHT - _BOTTOM - (value - limits[0]) / (limits[1] - limits[0]) * (_HEIGHT - _TOP - _BOTTOM)


def _write(
    name: str,
    title: str,
    x_title: str,
    names: list[str],
    body: list[str],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
) -> None:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" font-family="sans-serif" font-size="12" fill="#808080">',
        f'<text x="{_LEFT}" y="16" font-size="13" font-weight="bold">{escape(title)}</text>',
        f'<text x="{(_WIDTH + _LEFT) / 2:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(x_title)}</text>',
    ]
    for tick in range(_TICKS + 1):
        x = x_range[0] + (x_range[1] - x_range[0]) * tick / _TICKS
        y = y_range[0] + (y_range[1] - y_range[0]) * tick / _TICKS
        across, up = _x(x, x_range), _y(y, y_range)
        parts += [
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up:.1f}" y2="{up:.1f}" stroke="#808080" opacity="0.25"/>',
            f'<text x="{_LEFT - 6}" y="{up + 4:.1f}" text-anchor="end">{y:.3g}</text>',
            f'<text x="{across:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{x:.3g}</text>',
        ]
    for place, (colour, one) in enumerate(zip(COLOURS, names, strict=False)):
        row = _TOP + 10 + 16 * place
        parts.append(f'<rect x="{_WIDTH - 130}" y="{row - 9}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{_WIDTH - 115}" y="{row}">{escape(one)}</text>')
    write_text(PICTURES / f"{name}.svg", "\n".join([*parts, *body, "</svg>"]) + "\n")
