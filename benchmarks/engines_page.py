"""The page of `engines.py`: what each engine takes, the matrix of parity, and what tuning gains."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lissome.core.files import write_text

MAX_REL = 1e-3
INTRODUCTION = Path(__file__).with_name("engines_introduction.md")


def write_page(result: Mapping[str, Any], path: Path) -> None:
    """Write the page, whole or not at all."""
    matrix = _matrix(result["parity"], result["catalog"])
    parts = [INTRODUCTION.read_text(encoding="utf-8"), *matrix, *_tuned(result["tuned"])]
    if result["parity"] or result["tuned"]:
        machine, versions = result["machine"], result["versions"]
        kept = ", ".join(f"{name} {version}" for name, version in versions.items())
        place = f"{machine['cpu']}, {', '.join(machine['features'])}"
        parts.append(f"Measured on {place}; {kept}. `benchmarks/engines.py`.")
    write_text(path, "\n".join(parts).rstrip() + "\n")


def _matrix(cells: Sequence[Mapping[str, Any]], catalog: int) -> list[str]:
    if not cells:
        return []
    engines = list(dict.fromkeys(one["engine"] for one in sorted(cells, key=lambda one: _order(one["engine"]))))
    found = {(one["name"], one["engine"]): one for one in cells}
    names = list(dict.fromkeys(one["name"] for one in cells))
    good = sum(_passes(one) for one in cells)
    lines = [
        "## Does it compute the same?",
        "",
        "Largest difference from PyTorch as a share of the largest value, float32, real pictures; "
        f"{good} of {len(cells)} cells are within {MAX_REL:g} with every decision (top-1) the same; "
        f"{len(names)} of the catalog's {catalog} networks have been compared. "
        "E: by the engine's exact options.",
        "",
        f"| network | {' | '.join(engines)} |",
        f"|---|{'---|' * len(engines)}",
    ]
    reasons: list[str] = []
    for name in names:
        row = [_cell(found.get((name, engine)), reasons) for engine in engines]
        lines.append(f"| {name} | {' | '.join(row)} |")
    return [*lines, "", *(f"{place}. {reason}" for place, reason in enumerate(reasons, start=1)), ""]


def _order(engine: str) -> int:
    known = ("onnxruntime", "openvino", "ncnn", "mnn", "litert", "executorch")
    return known.index(engine) if engine in known else len(known)


def _passes(cell: Mapping[str, Any]) -> bool:
    return not cell.get("reason") and cell["max_rel"] <= MAX_REL and cell["top1_agreement"] in (None, 1.0)


def _cell(cell: Mapping[str, Any] | None, reasons: list[str]) -> str:
    if cell is None:
        return ""
    if cell.get("reason"):
        reasons.append(f"{cell['name']} on {cell['engine']}: {cell['reason']}")
        return f"failed ({len(reasons)})"
    text = f"{cell['max_rel']:.0e}" + (" E" if cell["options"] else "")
    if not _passes(cell):
        reasons.append(
            f"{cell['name']} on {cell['engine']}: top-1 agrees on {cell['top1_agreement']:.0%}; PyTorch's own scores "
            "of the two decisions differ by less than 0.2 % of the largest score, else it would have been refused"
        )
        return f"**{text}** ({len(reasons)})"
    return text


def _tuned(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    if not cells:
        return []
    lines = [
        "## Does tuning pay?",
        "",
        "`build` (lower precision within its budget) against every engine at its default settings in float32, in "
        "pairs, one thread; the speed-up is over the quickest of those, with the 95 % interval.",
        "",
        "| network | chosen | tuned ms | best default | ms | speed-up |",
        "|---|---|---|---|---|---|",
    ]
    for one in cells:
        chosen, best, gain = one["chosen"], one["best_default"], one["speedup_over_best_default"]
        options = "".join(f", {name} {value}" for name, value in chosen["options"].items())
        way = f"{chosen['engine']} {chosen['precision']}, {chosen['variant']}{options}"
        times = one["latency_ms"]
        lines.append(
            f"| {one['name']} | {way} | {times['tuned']['median_ms']:.3f} | {best} | {times[best]['median_ms']:.3f} "
            f"| {gain['median']:.2f} [{gain['low']:.2f}, {gain['high']:.2f}] |"
        )
    return [*lines, ""]
