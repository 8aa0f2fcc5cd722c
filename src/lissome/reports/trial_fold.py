"""One trial of a search: opened by a click on its point."""

from collections.abc import Mapping
from typing import Any

from lissome.reports.elements import Cell, Code, Content, Facts, Fold, Prose, Rows, Table
from lissome.reports.figures import at, count, decimal, milliseconds, percent, seconds

Trial = Mapping[str, Any]


def name_of(trial: Trial) -> str:
    """Return what a trial is called.

    Example:
        >>> name_of({"number": 3, "stage": "full"})
        'trial 3, full recovery'
    """
    return f"trial {trial['number']}{', full recovery' if trial['stage'] == 'full' else ''}"


def anchor_of(trial: Trial) -> str:
    """Return the name of a trial's place on the page.

    Example:
        >>> anchor_of({"number": 3, "stage": "short"})
        'trial-3-short'
    """
    return f"trial-{trial['number']}-{trial['stage']}"


def choices_of(trial: Trial) -> str:
    """Return what was chosen, in one line.

    Example:
        >>> choices_of({"parameters": {"blocks": 2, "numbers": "int8"}})
        'blocks 2, numbers int8'
    """
    return ", ".join(f"{name} {value}" for name, value in trial["parameters"].items()) or "as it is"


def trial_fold(trial: Trial, search: Mapping[str, Any]) -> Fold:
    """Return a trial with its figures, recipe, widths, and what its steps declined.

    Args:
        trial: One that has figures.
        search: The search, whose trial 0 is the network as it was.
    """
    figures = trial["figures"]
    missed = at(trial, "missed") or {}
    facts = (
        ("Runs on", str(trial["way"])),
        ("Latency", f"{milliseconds(figures['latency_ms'])} ms"),
        (
            "Speed-up",
            f"{figures['speedup']:.2f}× [{figures['speedup_low']:.2f}, {figures['speedup_high']:.2f}]",
        ),
        ("Validation", percent(figures["accuracy"])),
        ("Drop", decimal(100 * figures["drop"], 2, "points")),
        ("In the artifact", decimal(figures["stored_kib"], 1, "KiB")),
        ("Engine's files", decimal(figures["size_kib"], 1, "KiB")),
        ("Parameters", count(figures["params"])),
        ("MACs", count(figures["macs"])),
        ("Limits", f"misses {', '.join(missed)}" if missed else "keeps all"),
        ("Took", seconds(trial["seconds"])),
        ("SHA-256 of the files", str(trial["artifact_sha256"])[:16] + "…"),
    )
    content: list[Content] = [Facts(facts)]
    if trial["reason"]:
        content.append(Prose((str(trial["reason"]),)))
    content.append(Code(str(trial["recipe_toml"])))
    plain = next((one for one in at(search, "trials") or () if one["number"] == 0), None)
    if trial["widths"] and plain:
        content += _cuts(plain["widths"], trial["widths"])
    if trial["declined"]:
        content.append(Fold(title="Declined", badges=(count(len(trial["declined"])),), content=(_lines(trial),)))
    return Fold(
        title=f"{name_of(trial)}: {choices_of(trial)}",
        badges=(f"{milliseconds(figures['latency_ms'])} ms", decimal(100 * figures["drop"], 2, "points")),
        content=tuple(content),
        anchor=anchor_of(trial),
    )


def _lines(trial: Trial) -> Code:
    return Code("\n".join(str(one) for one in trial["declined"]))


def _cuts(before: Any, after: Any) -> list[Content]:
    """Return the layers that are narrower or gone."""
    kept = {str(name): width for name, width in after}
    rows = tuple(
        (Cell(str(name)), Cell(count(width)), Cell(count(kept[str(name)]) if str(name) in kept else "gone"))
        for name, width in before
        if kept.get(str(name)) != width
    )
    return [Table(columns=("Layer", "Channels before", "after"), groups=(Rows(rows),))] if rows else []
