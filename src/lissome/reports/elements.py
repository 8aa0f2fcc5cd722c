"""What a page is made of. `page.html` has one macro for each kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

Tone = Literal["", "good", "bad"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    Args:
        text: What it shows.
        order: What a sortable table goes by; None goes by the text.
        before: The figure it was before, shown in front with an arrow.
        detail: A second, smaller line.
        tone: Whether the figure is a gain or a loss.
    """

    text: str
    order: float | None = None
    before: str = ""
    detail: str = ""
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a table that belong together, with or without a title."""

    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table: the first `left` columns are words, the others numbers.

    Args:
        columns: Heads of the columns.
        groups: The rows.
        left: How many columns are aligned left.
        totals: Rows at the foot, which sorting leaves there.
        sortable: Whether a click on a head sorts.
        stacked: Whether a narrow screen puts the first column on a line of its own.
    """

    kind: ClassVar[str] = "table"
    columns: tuple[str, ...]
    groups: tuple[Rows, ...]
    left: int = 1
    totals: tuple[tuple[Cell, ...], ...] = ()
    sortable: bool = False
    stacked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A Plotly figure without colours; the page gives it those of its light or dark theme.

    Args:
        title: What it shows, with the unit.
        figure: "data" and "layout" as plotly.js takes them.
        height: Pixels.
        legend: Names of the series where there are several, in the order of their colours.
    """

    title: str
    figure: Mapping[str, Any]
    height: int
    legend: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Charts:
    """Charts side by side where there is room."""

    kind: ClassVar[str] = "charts"
    charts: tuple[Chart, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Terms and what they are."""

    kind: ClassVar[str] = "facts"
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Text to be shown as it is."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True, slots=True)
class Prose:
    """Paragraphs of explanation."""

    kind: ClassVar[str] = "prose"
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturePair:
    """Two pictures that belong together.

    Args:
        pictures: PNG or JPEG data URIs.
        names: What each shows.
        caption: What they have in common.
        is_photo: Whether they are photographs, shown large and smooth.
    """

    pictures: tuple[str, str]
    names: tuple[str, str]
    caption: str
    is_photo: bool = False


@dataclass(frozen=True, slots=True)
class PicturePairs:
    """Pairs of pictures side by side."""

    kind: ClassVar[str] = "pictures"
    pairs: tuple[PicturePair, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Content that opens on a click.

    Args:
        title: What is inside.
        badges: Short figures beside the title.
        content: What opens.
        is_open: Whether it is open from the start.
        anchor: Its place on the page, which a point of a chart may open; "" for none.
    """

    kind: ClassVar[str] = "fold"
    title: str
    badges: tuple[str, ...]
    content: tuple["Content", ...]
    is_open: bool = False
    anchor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One engine at a glance.

    Args:
        title: The engine.
        subtitle: What it computes in.
        figure: The one figure that matters most.
        verdict: That figure in words.
        detail: Its uncertainty.
        tone: Whether it is a gain or a loss.
        facts: Further figures.
    """

    title: str
    subtitle: str
    figure: str
    verdict: str
    detail: str
    tone: Tone
    facts: tuple[tuple[str, str], ...]


Content = Table | Charts | Facts | Code | Prose | PicturePairs | Fold


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of an article; one without content is left out."""

    title: str
    content: tuple[Content, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One result on the page.

    Args:
        title: The network or step.
        lead: The result in one sentence.
        cards: Engines at a glance.
        warnings: What a reader must know before the figures.
        sections: The rest.
    """

    title: str
    lead: str
    cards: tuple[Card, ...] = ()
    warnings: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
