"""The page `docs/zoo.md`, made of `results/zoo.json` and of nothing else."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

from lissome.core.files import write_text

NEAR = 1.1
"""Two networks count as equal in MACs when they differ by at most this factor."""
PAIRS = 8

INTRODUCTION = """# The zoo

Every network of `lissome.CATALOG`, made by `benchmarks/zoo.py`. Parameters and MACs (convolutions and fully connected
layers, one image) are exact and checked by tests against published counts; bytes are what the layers read and write in
float32, one by one. `lissome list models` has the papers.
"""


def write_page(result: dict[str, Any], path: Path) -> None:
    """Write the page."""
    parts = [INTRODUCTION, *_timing(result), *_training(result.get("training"))]
    write_text(path, "\n".join(part.strip("\n") + "\n" for part in parts))


def _timing(result: dict[str, Any]) -> Iterator[str]:
    networks = result["networks"]
    timed = {name: row for name, row in networks.items() if any("latency_ms" in one for one in row["engines"].values())}
    if timed:
        versions = result["versions"]
        yield (
            f"Latency is the median of one image on {result['machine'].get('cpu', 'this machine')}, one thread, "
            f"pinned, float32, onnxruntime {versions['onnxruntime']} and ncnn {versions['ncnn']} in turn with "
            f"`{result['reference']}` in the same rounds. Every file was compared with torch before it was timed; "
            "*parity* is the largest difference as a share of the largest output. Weights are random, so the speed is "
            "that of the structure.\n"
        )
        yield from _pairs(timed)
    else:
        yield "The engines have not been timed yet: `python benchmarks/zoo.py` does.\n"
    yield "## All networks\n"
    yield _table(networks)
    refused = [
        f"- `{name}` on {engine}: {one['refused']}"
        for name, row in networks.items()
        for engine, one in row["engines"].items()
        if "refused" in one
    ]
    if refused:
        yield "What an engine could not have, or computed otherwise:\n\n" + "\n".join(refused) + "\n"


def _table(networks: dict[str, Any]) -> str:
    lines = [
        "| network | input | params, M | MACs, M | bytes moved, MB | ONNX Runtime, ms | ncnn, ms | "
        "MACs/ms, M (ONNX Runtime) | MACs/ms, M (ncnn) | parity (ONNX Runtime) | parity (ncnn) |",
        "|---|" + "---:|" * 10,
    ]
    for name, row in sorted(networks.items(), key=lambda item: item[1]["macs"]):
        engines = [row["engines"].get(engine, {}) for engine in ("onnxruntime", "ncnn")]
        milliseconds = [one["latency_ms"]["median_ms"] if "latency_ms" in one else None for one in engines]
        cells = [
            f"`{name}`",
            "x".join(map(str, row["input"])),
            f"{row['params'] / 1e6:,.2f}",
            f"{row['macs'] / 1e6:,.0f}",
            f"{row['bytes_moved'] / 1e6:,.0f}",
            *("–" if one is None else f"{one:,.2f}" for one in milliseconds),
            *("–" if one is None else f"{row['macs'] / 1e6 / one:,.1f}" for one in milliseconds),
            *(f"{_parity(one):.0e}" if "parity" in one else "–" for one in engines),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _parity(engine: dict[str, Any]) -> float:
    return max(float(one["max_rel"]) for one in engine["parity"]["outputs"])


def _pairs(timed: dict[str, Any]) -> Iterator[str]:
    yield "## Equal MACs, unequal speed\n"
    for engine, title in (("onnxruntime", "ONNX Runtime"), ("ncnn", "ncnn")):
        rows = list(unequal_pairs(timed, engine))
        if not rows:
            yield f"On {title} no two of the networks timed have MACs within {NEAR - 1:.0%} of each other.\n"
            continue
        slow, quick, ratio, macs = rows[0]
        heavier = sum(timed[one]["bytes_moved"] > timed[other]["bytes_moved"] for one, other, *_ in rows)
        yield (
            f"On {title} the widest gap is {ratio:.1f}x: `{slow}` and `{quick}` do {macs[0] / 1e6:,.0f} and "
            f"{macs[1] / 1e6:,.0f} M MACs. In {heavier} of these {len(rows)} pairs the slow one moves more bytes. "
            "*Times as slow* is the quotient of their ratios to the reference.\n"
        )
        yield _pair_table(rows, timed, engine, title)


def unequal_pairs(timed: dict[str, Any], engine: str) -> Iterator[tuple[str, str, float, tuple[int, int]]]:
    """Yield (slow, quick, how many times as slow, their MACs) of networks of equal MACs, the widest gap first.

    Ratios are of each network's own ratio to the reference that ran beside it. A network is in one pair only.
    """
    speeds = {
        name: row["engines"][engine]["speed_over_reference"]["median"]
        for name, row in timed.items()
        if "speed_over_reference" in row["engines"].get(engine, {})
    }
    gaps = []
    for one, other in combinations(speeds, 2):
        slow, quick = (one, other) if speeds[one] < speeds[other] else (other, one)
        macs = (timed[slow]["macs"], timed[quick]["macs"])
        if max(macs) <= NEAR * min(macs):
            gaps.append((slow, quick, speeds[quick] / speeds[slow], macs))
    used: set[str] = set()
    found = 0
    for slow, quick, ratio, macs in sorted(gaps, key=lambda gap: -gap[2]):
        if found < PAIRS and not {slow, quick} & used:
            used |= {slow, quick}
            found += 1
            yield slow, quick, ratio, macs


def _pair_table(
    rows: list[tuple[str, str, float, tuple[int, int]]], timed: dict[str, Any], engine: str, title: str
) -> str:
    lines = [f"| {title}: slow | quick | MACs, M | bytes moved, MB | ms | times as slow |", "|---|---|---|---|---|---|"]
    for slow, quick, ratio, macs in rows:
        moved = [timed[name]["bytes_moved"] / 1e6 for name in (slow, quick)]
        spent = [timed[name]["engines"][engine]["latency_ms"]["median_ms"] for name in (slow, quick)]
        lines.append(
            f"| `{slow}` | `{quick}` | {macs[0] / 1e6:,.0f}, {macs[1] / 1e6:,.0f} | {moved[0]:,.0f}, {moved[1]:,.0f} "
            f"| {spent[0]:,.2f}, {spent[1]:,.2f} | {ratio:.2f} |"
        )
    return "\n".join(lines) + "\n"


def _training(training: dict[str, Any] | None) -> Iterator[str]:
    yield "## One network of each light family on CIFAR-10\n"
    if not training:
        yield "Not trained yet: `python benchmarks/zoo.py --only-train` does.\n"
        return
    yield (
        f"All with the same budget: {training['epochs']} epochs of {training['images']:,} images, `Train` with "
        f"clipped gradients and its default settings, seed {training['seed']}; "
        f"accuracy on {training['test_images']:,} test images, read once. Nothing was tuned, so this shows what each "
        "gives at once and not what it can reach.\n"
    )
    lines = ["| family | network | params, M | MACs, M | test accuracy |", "|---|---|---:|---:|---:|"]
    for family, row in sorted(training["families"].items(), key=lambda item: -item[1]["test_accuracy"]):
        settings = ", ".join(f"{name} {value}" for name, value in row["settings"].items() if name != "small_input")
        network = f"`{row['network']}`" + (f", {settings}" if settings else "")
        lines.append(
            f"| {family} | {network} | {row['params'] / 1e6:.2f} | {row['macs'] / 1e6:.1f} "
            f"| {row['test_accuracy']:.2%} |"
        )
    yield "\n".join(lines) + "\n"
