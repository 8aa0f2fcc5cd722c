"""Writes what `quantization.py` measured into `docs/quantization.md`.

python benchmarks/quantization_page.py      # from results/quantization.json
"""

import json
from typing import Any

from common import RESULTS, write_section

NETWORKS = {"resnet20": "ResNet-20", "resnet56": "ResNet-56", "mlperf_tiny_resnet8": "MLPerf-Tiny ResNet-8"}


def write_page(table: dict[str, Any]) -> None:
    """Write the tables."""
    machine, versions = table["machine"], table["versions"]
    images = table["calibration_images"]
    text = [
        f"Measured on {machine['cpu']}, one thread; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + f"; seed {table['seed']}. Ranges were calibrated on {images['cifar10']} training images of CIFAR-10, on "
        f"{images['efficientnet_lite0']} of coco128. “Stored” is what the file takes in the artifact.",
    ]
    for name, title in NETWORKS.items():
        text += ["", f"### {title} on CIFAR-10, 10,000 test images", "", *_formats(table[name])]
    text += ["", "### EfficientNet-Lite0 against its own float32, 128 images", "", *_lite(table["efficientnet_lite0"])]
    write_section("quantization.md", "results", "\n".join(text))


def _formats(cells: dict[str, Any]) -> list[str]:
    exact = cells["float32"]["onnxruntime"]["test_accuracy"]
    head = ["", "engine", "accuracy", "against float32", "file, KiB", "stored, KiB", "latency, ms", "faster by"]
    rows = []
    for title, engines in cells.items():
        for engine, one in engines.items():
            if "declined" in one:
                rows.append([title, engine, f"declined: {one['declined']}", *[""] * 5])
                continue
            change = 100 * (one["test_accuracy"] - exact)
            sizes = [f"{one['file_kib']:,.0f}", f"{one['stored_kib']:,.0f}"]
            rows.append([title, engine, f"{one['test_accuracy']:.2%}", f"{change:+.2f}", *sizes, *_times(one)])
    return _table(head, rows)


def _times(one: dict[str, Any]) -> list[str]:
    if "latency_ms" not in one:
        return ["not timed", ""]
    faster = one.get("speedup")
    spread = f"{faster['median']:.2f}x [{faster['low']:.2f}, {faster['high']:.2f}]" if faster else "1"
    return [f"{one['latency_ms']['median_ms']:.3f}", spread]


def _lite(found: dict[str, Any]) -> list[str]:
    rows = []
    for title, engines in found["ours"].items():
        for engine, one in engines.items():
            timed = found.get("latency", {}).get(engine, {}).get(title, {})
            rows.append([title, engine, *_judged(one), *_times(timed)])
    for title, one in found["peers"].items():
        timed = found.get("latency", {}).get("onnxruntime", {}).get(title, {})
        rows.append([f"*{title}*", "onnxruntime", *_judged(one), *_times(timed)])
    head = ["", "engine", "equal decisions", "mean cosine", "file, KiB", "latency, ms", "faster by"]
    curve = [[title, *_judged(one)[:2]] for title, one in found["curve"].items()]
    text = [*_table(head, rows), "", "How many images calibrate, per channel, on onnxruntime:", ""]
    text += _table(["calibrated on", "equal decisions", "mean cosine"], curve)
    if "seconds_to_quantize" in found:
        seconds = [
            [title, one.get("declined") or f"{one['median']:.1f}"]
            for title, one in found["seconds_to_quantize"].items()
        ]
        text += ["", "Seconds to calibrate and quantize, one CPU:", "", *_table(["", "seconds"], seconds)]
    return text


def _judged(one: dict[str, Any]) -> list[str]:
    if "declined" in one:
        return [f"declined: {one['declined']}", "", ""]
    return [f"{one['agreement']:.1%}", f"{one['cosine']:.4f}", f"{one['file_kib']:,.0f}" if "file_kib" in one else ""]


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in rows)]


if __name__ == "__main__":
    write_page(json.loads((RESULTS / "quantization.json").read_text()))
