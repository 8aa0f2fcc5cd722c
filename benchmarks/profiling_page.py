"""The page `docs/profiling_measured.md`, made of `results/roofline.json` and `results/profile_speed.json`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lissome.core.files import write_text

INTRODUCTION = """# Counting and foretelling, measured

What [`lissome profile`](profiling.md) says of time, held against the clock, and how long counting takes. The figures
are those of `benchmarks/roofline.py` and `benchmarks/profile_speed.py`, which write this page.
"""


def write_page(results: Path, path: Path) -> None:
    """Write the page from whatever results there are."""
    parts = [INTRODUCTION]
    if not any((results / f"{name}.json").is_file() for name in ("roofline", "profile_speed")):
        parts.append("Neither has been run on this machine yet.")
    for name, section in (("roofline", _roofline), ("profile_speed", _speed)):
        file = results / f"{name}.json"
        if file.is_file():
            parts += section(json.loads(file.read_text(encoding="utf-8")))
    write_text(path, "\n".join(part.strip("\n") + "\n" for part in parts))


def _roofline(result: dict[str, Any]) -> Iterator[str]:
    device = result["device"]
    bandwidths = [f"{one / 1e9:,.0f} GB/s" for one in (*device["cache_bytes_per_s"][1:], device["bytes_per_s"])]
    yield "## How well the roofline foretells latency\n"
    yield (
        f"{len(result['networks'])} networks of the catalog on {device['title']}, {result['engine']} "
        f"{result['versions'][result['engine']]}, one thread, float32, one image. Measured roofs: "
        f"{device['peak_flops_per_s']['float32'] / 1e9:,.0f} GFLOP/s, {', '.join(bandwidths)} (caches, then memory). "
        "*Calibrated* means efficiencies by kind of work and a cost of each call, learnt from other families than the "
        f"network's own ({result['parts']} parts, seed {result['seed']}).\n"
    )
    lines = [
        "| by | rank correlation (Spearman) | median error | within 25 % | median predicted / measured |",
        "|---|" + "---:|" * 4,
    ]
    for way, score in result["agreement"].items():
        rest = ("median_error", "within_a_quarter")
        cells = [f"{score[one]:.0%}" if one in score else "–" for one in rest]
        factor = f"{score['median_factor']:.2f}" if "median_factor" in score else "–"
        lines.append(f"| {way} | {score['spearman']:.3f} | {' | '.join(cells)} | {factor} |")
    yield "\n".join(lines) + "\n"
    yield "Share of the roof that the engine reaches, learnt from all networks:\n"
    found = sorted(result["efficiency"].items(), key=lambda item: -item[1])
    cells = [f"| {'everything else' if work == '*' else work} | {share:.2f} |" for work, share in found]
    yield "\n".join(["| work | share |", "|---|---:|", *cells]) + "\n"
    yield f"Each call costs {1e3 * result['call_ms']:.1f} µs besides.\n"
    yield "### Every network\n"
    lines = [
        "| network | MACs, M | measured, ms | roofline | fused | calibrated |",
        "|---|" + "---:|" * 5,
    ]
    for name, row in sorted(result["networks"].items(), key=lambda item: item[1]["measured_ms"]):
        times = [f"{row[key]:.3f}" for key in ("measured_ms", "roofline_ms", "fused_ms", "calibrated_ms")]
        lines.append(f"| `{name}` | {row['macs'] / 1e6:,.0f} | {' | '.join(times)} |")
    yield "\n".join(lines) + "\n"


def _speed(result: dict[str, Any]) -> Iterator[str]:
    yield "## How long counting takes\n"
    yield (
        f"{result['machine']['cpu']}, one thread, the tools in turn within each round; *times as long* is the median "
        "of the rounds' own ratios with its 95 % interval. lissome counts operations of every operator, bytes, fusions "
        "and peak memory; the others multiply-adds and parameters. They disagree on what counts.\n"
    )
    for name, table in result["networks"].items():
        lines = [
            f"| `{name}` | version | ms, median | times as long as lissome | MACs as it counts | parameters |",
            "|---|---|" + "---:|" * 4,
        ]
        for tool, row in table["tools"].items():
            version = result["versions"].get(tool.split()[0], "")
            if "failed" in row:
                lines.append(f"| {tool} | {version} | failed: {row['failed']} | – | – | – |")
                continue
            ratio = row.get("times_as_long")
            times = f"{ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]" if ratio else "1"
            milliseconds = f"{row['latency_ms']['median_ms']:,.1f}"
            lines.append(f"| {tool} | {version} | {milliseconds} | {times} | {row['macs']:,} | {row['params']:,} |")
        yield "\n".join(lines) + "\n"
    first = result["first_call"]
    cells = [f"| {tool} | {one['median_ms']:,.0f} |" for tool, one in first["tools"].items() if "median_ms" in one]
    yield f"First call of a new process on `{first['network']}`, importing the tool included and torch not:\n"
    yield "\n".join(["| tool | ms, median |", "|---|---:|", *cells]) + "\n"
