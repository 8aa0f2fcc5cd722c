"""What a network costs."""

from collections.abc import Mapping
from typing import Any

from lissome.reports.elements import Article, Prose, Section
from lissome.reports.figures import at, count, number_at
from lissome.reports.layer_costs import layer_content
from lissome.reports.provenance import COST


def profile_article(profile: Mapping[str, Any]) -> Article:
    """Return the article of a profile's dict."""
    shapes = " and ".join("×".join(str(size) for size in shape) for shape in at(profile, "inputs") or ())
    totals = (("params", "parameters"), ("macs", "multiply-adds (MACs)"), ("bytes_moved", "bytes moved"))
    figures = [f"{count(number_at(profile, key))} {word}" for key, word in totals]
    lead = f"{figures[0]}, {figures[1]}, {figures[2]}{f' for an input of {shapes}' if shapes else ''}."
    return Article(
        title=str(at(profile, "name") or "Network"),
        lead=lead,
        sections=(Section("Cost of each layer", (*layer_content(None, profile), Prose((COST,)))),),
    )
