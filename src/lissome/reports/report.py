"""One verb: put results on one HTML page that needs nothing beside it."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from lissome.core.errors import SettingError
from lissome.core.files import write_text
from lissome.reports.comparison_article import comparison_article
from lissome.reports.detectors_article import detectors_article
from lissome.reports.elements import Article
from lissome.reports.ghosts_article import ghosts_article
from lissome.reports.outcome_article import outcome_article
from lissome.reports.profile_article import profile_article
from lissome.reports.search_article import search_article


class Reportable(Protocol):
    """A result that gives itself as plain values: a Comparison, an Outcome, a Profile, Ghosts."""

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""


# Each kind of result is known by what its dict has, so that a result read back from JSON can be shown too.
_ARTICLES: Mapping[tuple[str, ...], Callable[[Mapping[str, Any]], Article]] = {
    ("trials", "finalists"): search_article,
    ("original", "compressed"): comparison_article,
    ("step", "parts"): outcome_article,
    ("rows", "params", "macs"): profile_article,
    ("ghost_layers",): ghosts_article,
    ("detectors", "precision", "seen"): detectors_article,
}


def report(path: str | os.PathLike[str], *results: Reportable, refresh: int = 0) -> Path:
    """Write results as one self-contained HTML page: it needs no network, and nothing in it can reach one.

    Args:
        path: The file to write, whole or not at all; its folder is made if absent.
        results: Any mix of `Profile`, `Outcome`, `Comparison`, `DetectorComparison`, `Ghosts` and `SearchResult`, at
            least one, shown in this order.
        refresh: The browser reads the page again after so many seconds, for a result that still grows; 0 for never.

    Returns:
        The path.

    Raises:
        SettingError: There is nothing to show, a result is of another kind, or the file cannot be written.

    Example:
        >>> import tempfile, torch
        >>> from lissome.profiling.profile import profile
        >>> cost = profile(torch.nn.Conv2d(3, 8, 3), (1, 3, 8, 8))
        >>> report(Path(tempfile.mkdtemp()) / "cost.html", cost).name
        'cost.html'
    """
    if not results:
        raise SettingError("there is no result to show", where="report", fix="give a Profile, Outcome or Comparison")
    page = _render([_article(one) for one in results], refresh)
    try:
        write_text(path, page)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingError(f"cannot be written: {reason}", where=os.fspath(path), fix="give another file") from error
    return Path(path)


def _render(articles: list[Article], refresh: int) -> str:
    environment = Environment(
        loader=PackageLoader("lissome.reports", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # plotly.js is the one text that is not escaped; it comes with the package, not from a result.
    return environment.get_template("page.html").render(
        articles=articles, refresh=refresh, plotly=Markup(get_plotlyjs())
    )


def _article(result: Any) -> Article:
    table = result.to_dict() if callable(getattr(result, "to_dict", None)) and not isinstance(result, type) else None
    for keys, article in _ARTICLES.items():
        if isinstance(table, Mapping) and all(key in table for key in keys):
            return article(table)
    kind = result.__name__ if isinstance(result, type) else type(result).__name__
    raise SettingError(f"cannot show a {kind}", where="report", fix="give a Profile, Outcome or Comparison")
