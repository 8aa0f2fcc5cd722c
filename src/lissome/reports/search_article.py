"""A search, finished or still running: its front, what each trial was, the winner, and how to repeat it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lissome.reports.charts import histogram
from lissome.reports.comparison_article import comparison_article
from lissome.reports.elements import Article, Cell, Charts, Code, Content, Facts, Prose, Rows, Section, Table
from lissome.reports.figures import at, count, decimal, milliseconds, number_at, seconds
from lissome.reports.layer_costs import match_layers
from lissome.reports.profile_article import device_content
from lissome.reports.search_charts import front_chart, timeline_chart, widths_chart
from lissome.reports.step_receipts import sensitivity_chart
from lissome.reports.trial_fold import choices_of, name_of, trial_fold

_METHOD = (
    "Each trial is a recipe: cuts, a short recovery with the original as teacher, numbers, and a way to run it. Its "
    "file is proved in the engine, scored on validation images by the engine, and timed turn by turn with the "
    "original, whose own time divided by that ratio is the time shown. Two networks of the same structure are timed "
    "once. Of the front, the boldest that can be hoped to keep the drop get the full recovery. The test images are "
    "read once, for the winner."
)
_BEARS = (
    "A scan before the search: each group of channels alone is cut to a share of them, without any training, and "
    "scored on a few validation images."
)
_PICTURE = "A click on a point opens its trial below: recipe, figures, and the width of every layer."


def search_article(search: Mapping[str, Any]) -> Article:
    """Return the article of a search's dict; what a search that still runs lacks is left out."""
    comparison = at(search, "comparison")
    trials = [one for one in at(search, "trials") or () if not at(one, "failed")]
    failed = [one for one in at(search, "trials") or () if at(one, "failed")]
    finalists = list(at(search, "finalists") or ())
    whole = comparison_article(comparison) if comparison else None
    return Article(
        title=f"{at(search, 'name') or 'Network'}: search",
        lead=_lead(search, len(trials), len(failed)),
        cards=whole.cards if whole else (),
        warnings=tuple(_warnings(search)),
        sections=(
            Section("Front", _front(search, trials, finalists)),
            Section("Trials", tuple(trial_fold(one, search) for one in (*finalists, *trials) if not at(one, "failed"))),
            Section("What each group of channels bears", _sensitivity(search)),
            Section("Widths of the winner", _widths(search, trials)),
            Section("Scales of the normalisations", _scales(search)),
            Section("Roofline of the winner", _roofline(search)),
            Section("Timeline", (Charts((timeline_chart([*trials, *failed], finalists),)),) if trials else ()),
            Section("Ways to run the original", _ways(search)),
            Section("Declined", _declined(search, failed)),
            Section("To repeat it", _repeat(search)),
            *(whole.sections if whole else ()),
        ),
    )


def _lead(search: Mapping[str, Any], tried: int, failed: int) -> str:
    spent = seconds(number_at(search, "seconds"))
    head = f"{count(tried)} networks were tried in {spent}"
    head += f", and {count(failed)} declined" if failed else ""
    verdict = at(search, "verdict")
    return f"{head}: {verdict}." if verdict else f"{head}; the search goes on."


def _warnings(search: Mapping[str, Any]) -> Iterator[str]:
    missed = at(search, "missed") or {}
    if missed:
        yield f"the final measurement misses {', '.join(map(str, missed))}"
    if at(search, "is_reproduced") is False:
        yield "the winner's recipe gave other bytes when it was applied again"
    yield from (str(one) for one in at(search, "comparison", "warnings") or ())


def _front(search: Mapping[str, Any], trials: Sequence[Any], finalists: Sequence[Any]) -> tuple[Content, ...]:
    if not trials:
        return ()
    best = set(at(search, "front") or ())
    rows = [_row(one, search) for one in (*finalists, *trials) if one in finalists or one["number"] in best]
    columns = ("Trial", "Choices", "ms", "Speed-up", "Drop, points", "KiB")
    table = Table(columns=columns, groups=(Rows(tuple(rows)),), left=2, sortable=True)
    limits = {name: value for name, value in (at(search, "limit") or {}).items() if value is not None}
    facts = Facts(tuple((str(name), str(value)) for name, value in limits.items()))
    chart = front_chart(trials, [one for one in finalists if not at(one, "failed")], at(search, "limit") or {})
    return (Charts((chart,)), Prose((_PICTURE,)), *((facts,) if limits else ()), table)


def _row(one: Mapping[str, Any], search: Mapping[str, Any]) -> tuple[Cell, ...]:
    figures = one["figures"]
    winner = at(search, "winner") or {}
    is_winner = (at(winner, "number"), at(winner, "stage")) == (one["number"], one["stage"])
    if not figures:
        return (Cell(name_of(one)), Cell(str(one["reason"])), *(Cell("–") for _ in range(4)))
    return (
        Cell(name_of(one) + (", the winner" if is_winner else "")),
        Cell(choices_of(one)),
        Cell(milliseconds(figures["latency_ms"]), order=figures["latency_ms"]),
        Cell(f"{figures['speedup']:.2f}×", order=figures["speedup"]),
        Cell(decimal(100 * figures["drop"], 2), order=figures["drop"]),
        Cell(decimal(figures["stored_kib"], 1), order=figures["stored_kib"]),
    )


def _widths(search: Mapping[str, Any], trials: Sequence[Any]) -> tuple[Content, ...]:
    winner = at(search, "winner")
    plain = next((one for one in trials if one["number"] == 0), None)
    if not winner or not plain or not at(winner, "widths"):
        return ()
    return (Charts((widths_chart(plain["widths"], winner["widths"]),)),)


def _sensitivity(search: Mapping[str, Any]) -> tuple[Content, ...]:
    chart = sensitivity_chart(at(search, "views", "sensitivity"))
    return (Charts((chart,)), Prose((_BEARS,))) if chart else ()


def _scales(search: Mapping[str, Any]) -> tuple[Content, ...]:
    tables = [(name, at(search, "views", "scales", name)) for name in ("original", "winner")]
    charts = [histogram(name, "|γ| of a channel", one["edges"], one["counts"]) for name, one in tables if one]
    return (Charts(tuple(charts)),) if charts else ()


def _roofline(search: Mapping[str, Any]) -> tuple[Content, ...]:
    labels = [one.label for one in match_layers(None, at(search, "comparison", "profile_compressed") or {})]
    return device_content(at(search, "views", "roofline"), labels)


def _ways(search: Mapping[str, Any]) -> tuple[Content, ...]:
    times = at(search, "survey", "milliseconds") or {}
    rows = tuple((Cell(str(label)), Cell(milliseconds(ms), order=ms)) for label, ms in times.items())
    return (Table(columns=("Way", "ms"), groups=(Rows(rows),), sortable=True),) if rows else ()


def _declined(search: Mapping[str, Any], failed: Sequence[Any]) -> tuple[Content, ...]:
    rows = [(Cell(name_of(one)), Cell(choices_of(one)), Cell(str(one["reason"]))) for one in failed]
    winner = at(search, "winner") or {}
    steps = at(winner, "declined") or ()
    rows += [(Cell(f"{name_of(winner)}, the winner"), Cell("its steps"), Cell(str(one))) for one in steps]
    rows += [(Cell("way"), Cell(""), Cell(str(one))) for one in at(search, "survey", "declined") or ()]
    return (Table(columns=("What", "Choices", "Why"), groups=(Rows(tuple(rows)),), left=3),) if rows else ()


def _repeat(search: Mapping[str, Any]) -> tuple[Content, ...]:
    recipe = at(search, "winner", "recipe_toml")
    commands = [str(one) for one in at(search, "reproduce") or at(search, "comparison", "reproduce") or ()]
    content: list[Content] = [Prose((_METHOD,))]
    if commands:
        content.append(Code("\n".join(commands)))
    if recipe:
        content += [Prose(("The winner's recipe:",)), Code(str(recipe))]
    machine = at(search, "survey", "machine") or {}
    return (
        *content,
        *((Facts(tuple((str(k), json.dumps(v).strip('"')) for k, v in machine.items())),) if machine else ()),
    )
