"""A detector before and after: its figures, and what it sees."""

from collections.abc import Mapping
from typing import Any

from lissome.reports.elements import Article, Cell, PicturePair, PicturePairs, Prose, Rows, Section, Table
from lissome.reports.figures import count

_WHAT = (
    "Average precision by COCO's rules: AP50 counts a box from an IoU of 0.5 with the object, AP is the mean over IoUs "
    "from 0.5 to 0.95. Both were counted on what runs. The pictures have the boxes with a score of at least 0.3."
)
_COLUMNS = ("ap50", "ap", "small", "medium", "large")


def detectors_article(comparison: Mapping[str, Any]) -> Article:
    """Return the article of a detector comparison's dict."""
    names, precision = comparison["detectors"], comparison["precision"]
    before, after = precision
    points = 100 * (after["ap50"] - before["ap50"])
    lead = (
        f"AP50 {before['ap50']:.3f} before, {after['ap50']:.3f} after ({points:+.1f} points), over "
        f"{count(before['objects'])} objects in {count(before['images'])} pictures."
    ).replace("-", "−")
    rows = tuple(
        (Cell(str(name)), *(_figure(one[column]) for column in _COLUMNS))
        for name, one in zip(names, precision, strict=True)
    )
    table = Table(columns=("Detector", "AP50", "AP", "Small", "Medium", "Large"), groups=(Rows(rows),))
    pairs = tuple(
        PicturePair(
            pictures=(one["pictures"][0], one["pictures"][1]),
            names=(str(names[0]), str(names[1])),
            caption=f"{one['name']}: {one['found'][0]} and {one['found'][1]} boxes, {one['objects']} objects",
            is_photo=True,
        )
        for one in comparison["seen"]
    )
    sections = [Section("Average precision", (table, Prose((_WHAT,))))]
    if pairs:
        sections.append(Section("What they see", (PicturePairs(pairs),)))
    return Article(title=f"Detector: {names[0]} and {names[1]}", lead=lead, sections=tuple(sections))


def _figure(value: float | None) -> Cell:
    return Cell("–" if value is None else f"{value:.3f}", order=value)
