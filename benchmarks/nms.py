"""How long it takes to suppress 10,000 boxes: in blocks, as lissome does it, and box by box in plain Python.

Run from the project's root, alone on the machine (half a minute):

    python benchmarks/nms.py

Both get the same boxes in the same run and must keep the same ones. Three scenes: "spread" (most boxes stay, the worst
case for both), "objects" (200 objects with 50 boxes around each, as a detector gives them), and "classes" (the objects
again, each of one of 80 classes, which leave each other alone). The plain loop computes on Python numbers, one pair at
a time, which is quicker than on tensors of one element each.

Writes `results/nms.json` and the table of `docs/detection.md`.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from common import machine_and_versions, write_result, write_section
from lissome.core.files import write_text
from lissome.detection.suppression import GreedyNms
from lissome.timing.pinned import pinned

SEED = 0
THRESHOLD = 0.45
BAR = 20


def scenes(count: int) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Return boxes, scores and groups by name, drawn with the seed."""
    generator = torch.Generator().manual_seed(SEED)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    scores, none = uniform(count), torch.zeros(count, dtype=torch.int64)
    corners = uniform(count, 2) * 2000
    spread = torch.cat([corners, corners + 5 + 20 * uniform(count, 2)], 1)
    low = uniform(max(1, count // 50), 2) * 500
    objects = torch.cat([low, low + 20 + 100 * uniform(len(low), 2)], 1)
    owner = torch.randint(len(low), (count,), generator=generator)
    around = objects[owner] + 6 * (uniform(count, 4) - 0.5)
    classes = torch.randint(80, (len(low),), generator=generator)[owner]
    return {
        "spread": (spread, scores, none),
        "objects": (around, scores, none),
        "classes": (around, scores, classes),
    }


def plain_loop(boxes: list[list[float]], scores: list[float], groups: list[int]) -> list[int]:
    """Greedy suppression as a textbook writes it."""
    order = sorted(range(len(boxes)), key=lambda place: -scores[place])
    area = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in boxes]
    kept: list[int] = []
    for place in order:
        x1, y1, x2, y2 = boxes[place]
        for better in kept:
            if groups[better] != groups[place]:
                continue
            u1, v1, u2, v2 = boxes[better]
            width, height = min(x2, u2) - max(x1, u1), min(y2, v2) - max(y1, v1)
            if width > 0 and height > 0:
                shared = width * height
                if shared > THRESHOLD * (area[place] + area[better] - shared):
                    break
        else:
            kept.append(place)
    return kept


def compared(scene: tuple[Tensor, Tensor, Tensor], repeats: int) -> dict[str, Any]:
    """Time both on one scene, one after the other."""
    boxes, scores, groups = scene
    suppress = GreedyNms(threshold=THRESHOLD)
    suppress(*scene)
    fast, slow = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        kept, _ = suppress(boxes, scores, groups)
        fast.append(time.perf_counter() - start)
    lists = boxes.tolist(), scores.tolist(), groups.tolist()
    for _ in range(max(1, repeats // 3)):
        start = time.perf_counter()
        expected = plain_loop(*lists)
        slow.append(time.perf_counter() - start)
    same = len(set(kept.tolist()) & set(expected))
    return {
        "boxes": len(boxes),
        "kept": len(kept),
        "kept_by_both": same,
        "blocks_ms": 1e3 * statistics.median(fast),
        "loop_ms": 1e3 * statistics.median(slow),
        "times_quicker": statistics.median(slow) / statistics.median(fast),
    }


def table(result: dict[str, Any]) -> str:
    """Return the results as a Markdown table."""
    lines = [
        f"{result['machine']['cpu']}, one thread. The bar is {BAR} times.",
        "",
        "| scene | boxes | kept | in blocks, ms | plain loop, ms | times quicker |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in result["scenes"].items():
        lines.append(
            f"| {name} | {row['boxes']:,} | {row['kept']:,} | {row['blocks_ms']:.1f} | {row['loop_ms']:,.0f} "
            f"| {row['times_quicker']:.0f}x |"
        )
    return "\n".join(lines)


def main() -> None:
    """Compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boxes", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--trial", type=Path, default=None, help="write the result into this folder instead")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with pinned(1):
        rows = {name: compared(scene, arguments.repeats) for name, scene in scenes(arguments.boxes).items()}
    result = {**machine_and_versions(), "seed": SEED, "threshold": THRESHOLD, "bar": BAR, "scenes": rows}
    if arguments.trial:
        write_text(arguments.trial / "nms.json", json.dumps(result, indent=1) + "\n")
        return
    write_result("nms", result)
    write_section("detection.md", "suppression, measured", table(result))


if __name__ == "__main__":
    main()
