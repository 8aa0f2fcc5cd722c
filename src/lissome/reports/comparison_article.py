"""A network before and after, on the engines that will run it."""

from collections.abc import Mapping
from typing import Any

from lissome.reports.before_after import before_after_content
from lissome.reports.charts import engine_bars
from lissome.reports.elements import Article, Card, Chart, Charts, Code, Content, Prose, Section
from lissome.reports.figures import (
    ABSENT,
    at,
    decimal,
    factor,
    milliseconds,
    names_in,
    number_at,
    percent,
    signed,
)
from lissome.reports.headline import headline
from lissome.reports.layer_costs import layer_content
from lissome.reports.parity_table import parity_content
from lissome.reports.provenance import provenance_content
from lissome.reports.step_receipts import step_sections
from lissome.reports.verdicts import SIDES, accuracy_change, both, engines_of, speed_tone, speed_verdict, standard_error

Comparison = Mapping[str, Any]


def comparison_article(comparison: Comparison) -> Article:
    """Return the article of a comparison; what it lacks is left out."""
    recipe = at(comparison, "recipe_toml")
    return Article(
        title=str(comparison.get("name") or "Comparison"),
        lead=headline(comparison),
        cards=tuple(_card(comparison, engine) for engine in engines_of(comparison)),
        warnings=tuple(str(one) for one in at(comparison, "warnings") or ()),
        sections=(
            Section("Before and after", before_after_content(comparison)),
            Section("On each engine", _engine_content(comparison)),
            Section(
                "Cost of each layer",
                layer_content(at(comparison, "profile_original"), at(comparison, "profile_compressed")),
            ),
            *step_sections(at(comparison, "outcome")),
            Section("Parity", parity_content(at(comparison, "parity"))),
            Section("Recipe", (Code(str(recipe)),) if recipe else ()),
            Section("Method and machine", provenance_content(comparison)),
        ),
    )


def _card(comparison: Comparison, engine: str) -> Card:
    entry = at(comparison, "speedup", engine)
    verdict = speed_verdict(entry)
    low, high = number_at(entry, "low"), number_at(entry, "high")
    precisions = [str(at(comparison, side, "precision", engine) or "") for side in SIDES]
    facts = (
        ("Latency", _arrow([milliseconds(one) for one in both(comparison, "latency_ms", engine)], "ms")),
        ("Accuracy", _accuracy(comparison, engine)),
        ("File", _arrow([decimal(one, 0) for one in both(comparison, "engine_file_kib", engine)], "KiB")),
    )
    return Card(
        title=engine,
        subtitle=" → ".join(dict.fromkeys(one for one in precisions if one)),
        figure=factor(number_at(entry, "ratio")),
        verdict="as fast" if verdict == "faster" else verdict or "speed not measured",
        detail="" if low is None or high is None else f"95 % interval {factor(low)} to {factor(high)}",
        tone=speed_tone(verdict),
        facts=tuple((name, text) for name, text in facts if text),
    )


def _accuracy(comparison: Comparison, engine: str) -> str:
    text = _arrow([percent(one).removesuffix(" %") for one in both(comparison, "accuracy", engine)], "%")
    change = accuracy_change(comparison, engine)
    return text if change is None else f"{text} ({signed(change, 2, '')})"


def _arrow(pair: list[str], unit: str) -> str:
    return "" if set(pair) == {ABSENT} else f"{' → '.join(pair)} {unit}"


def _engine_content(comparison: Comparison) -> tuple[Content, ...]:
    charts = [one for one in (_latency_chart(comparison), _accuracy_chart(comparison)) if one]
    if not charts:
        return ()
    note = "The thin lines on the accuracy bars are one binomial standard error to each side."
    return (Charts(tuple(charts)), *((Prose((note,)),) if _has_errors(comparison) else ()))


def _latency_chart(comparison: Comparison) -> Chart | None:
    engines = names_in(*(at(comparison, side, "latency_ms") for side in SIDES))
    values = {side: [number_at(comparison, side, "latency_ms", one) for one in engines] for side in SIDES}
    labels = {side: [f"{milliseconds(one)} ms" for one in row] for side, row in values.items()}
    return engine_bars("Latency of one image, median ms", engines, values, labels=labels) if engines else None


def _accuracy_chart(comparison: Comparison) -> Chart | None:
    engines = names_in(*(at(comparison, side, "accuracy") for side in SIDES))
    shares = {side: [number_at(comparison, side, "accuracy", one) for one in engines] for side in SIDES}
    images = number_at(comparison, "test_images")
    return (
        engine_bars(
            "Accuracy, % of the test images",
            engines,
            {side: [None if one is None else 100 * one for one in row] for side, row in shares.items()},
            labels={side: [percent(one) for one in row] for side, row in shares.items()},
            errors={side: [standard_error((one,), images) for one in row] for side, row in shares.items()},
            limit=100,
        )
        if engines
        else None
    )


def _has_errors(comparison: Comparison) -> bool:
    measured = any(at(comparison, side, "accuracy") for side in SIDES)
    return measured and number_at(comparison, "test_images") is not None
