"""How far each engine's outputs lie from those of the source network."""

from collections.abc import Iterator, Mapping
from typing import Any

from lissome.reports.elements import Cell, Content, Prose, Rows, Table
from lissome.reports.figures import ABSENT, at, count, number_at, percent

NOTE = (
    "Each file was loaded in its engine, run on samples and compared with the source network in PyTorch; a file that "
    "does not pass is not written. The relative difference is the largest absolute one over the largest output. An "
    "int8 engine rounds elsewhere than its source: single values differ more, and the decisions are what counts. “With "
    "ties” counts those as the same that the source leaves undecided by less than the rounding."
)


def parity_content(parity: Any) -> tuple[Content, ...]:
    """Return the table of all engines and networks; nothing where there is no comparison.

    Args:
        parity: For each engine and network its figures, or a list of such under "outputs"; what was demanded of them
            under "limits", and whether they met it under "passed".
    """
    compared = [
        (engine, side, figures)
        for engine, sides in (parity or {}).items()
        if isinstance(sides, Mapping)
        for side, figures in sides.items()
    ]
    has_verdict = any(at(figures, "passed") is not None for _, _, figures in compared)
    rows = tuple(
        (*_row(engine, side, figures, output), *((_verdict(figures),) if has_verdict else ()))
        for engine, side, figures in compared
        for output in _outputs(figures)
    )
    if not rows:
        return ()
    names = ("Engine", "Network", "Largest difference", "Relative", "Least cosine", "Same decision", "Samples")
    columns = (*names, "Verdict") if has_verdict else names
    return (Table(columns=columns, groups=(Rows(rows),), left=2), Prose((NOTE,)))


def _outputs(figures: Any) -> Iterator[Mapping[str, Any]]:
    outputs = at(figures, "outputs")
    if isinstance(outputs, list):
        yield from outputs
    elif isinstance(figures, Mapping):
        yield figures


def _row(engine: str, side: str, figures: Mapping[str, Any], output: Mapping[str, Any]) -> tuple[Cell, ...]:
    several = len(list(_outputs(figures))) > 1
    most, least, agreement = (number_at(figures, "limits", name) for name in ("max_rel", "cosine", "agreement"))
    decided = number_at(output, "decided_agreement")
    demands = (
        "" if decided is None else f"{percent(decided, 1)} with ties",
        "" if agreement is None else f"at least {percent(agreement, 1)}",
    )
    return (
        Cell(engine),
        Cell(f"{side}, {output.get('output', '')}" if several else side),
        Cell(_small(number_at(output, "max_abs"))),
        Cell(_small(number_at(output, "max_rel")), detail="" if most is None else f"at most {_small(most)}"),
        Cell(_cosine(number_at(output, "cosine")), detail="" if least is None else f"at least {least:g}"),
        Cell(percent(number_at(output, "top1_agreement"), 1), detail=", ".join(one for one in demands if one)),
        Cell(count(number_at(figures, "samples"))),
    )


def _verdict(figures: Mapping[str, Any]) -> Cell:
    passed = at(figures, "passed")
    return Cell(ABSENT) if passed is None else Cell("passed", tone="good") if passed else Cell("failed", tone="bad")


def _small(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.1e}".replace("-", "−")


def _cosine(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.6f}"
