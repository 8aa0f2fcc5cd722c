"""The four guidelines of the ShuffleNetV2 paper, measured: equal arithmetic, unequal time.

Run from the project's root, alone on the machine:

    python benchmarks/guidelines.py

Writes results/guidelines.json and the tables of docs/guidelines.md. Each cell that is finished is kept in
runs/guidelines; started again, it goes on from there. `--only-table` writes the page from the results that there are.

    G1  two 1x1 convolutions, c1 → c2 and back: c1:c2 from 1:1 to 1:12             paper's Table 1
    G2  grouped 1x1 convolutions, 1 to 8 groups                                     paper's Table 2
    G3  a block of 1, 2 or 4 convolutions, one after the other or side by side      paper's Table 3
    G4  a bottleneck with and without activations and shortcut                      paper's Table 4

Every network is ten such blocks on 56x56 pixels; widths are adjusted so that the multiply-adds stay the same, as in the
paper. Since an engine computes in vectors of 8 or 16 channels, the sets called "edges" do the same with widths that
are multiples of 16: what is left there is the guideline, not the rounding.
"""

import argparse
import json
import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from common import RESULTS, machine_and_versions, write_result
from lissome.core.files import write_text
from lissome.profiling.profile import profile
from lissome.timing.loaded import load_proved
from lissome.timing.pinned import pinned
from lissome.timing.sessions import measure_sessions

BLOCKS, SIDE = 10, 56
ENGINES = ("onnxruntime", "ncnn")
KEPT = Path("runs/guidelines")
PAGE = Path("docs/guidelines.md")
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


@dataclass(frozen=True, slots=True)
class Variant:
    """One network of a set.

    Args:
        name: What differs.
        build: Makes one block.
        channels: Of the network's input.
        memory_access: Numbers that a block reads and writes by the guideline's formula; None where there is none.
    """

    name: str
    build: Callable[[], nn.Module]
    channels: int
    memory_access: float | None = None


def convolution(c1: int, c2: int, *, groups: int = 1, kernel: int = 1) -> nn.Conv2d:
    """Make a convolution that keeps the variance, so that ten blocks neither vanish nor explode."""
    layer = nn.Conv2d(c1, c2, kernel, padding=kernel // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    return layer


def access(c1: int, c2: int, groups: int = 1) -> float:
    """Return h·w·(c1 + c2) + c1·c2 / g, the paper's memory access cost (its Equations 1 and 2)."""
    return SIDE * SIDE * (c1 + c2) + c1 * c2 / groups


class Parallel(nn.Module):
    """Convolutions side by side, summed."""

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(convolution(width, width) for _ in range(count))
        with torch.no_grad():  # so that the sum is as large as one of them, without an operator for it
            for branch in self.branches:
                branch.weight /= math.sqrt(count)

    def forward(self, x: Tensor) -> Tensor:
        """Sum the branches."""
        total = self.branches[0](x)
        for branch in list(self.branches)[1:]:
            total = total + branch(x)
        return total


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with a quarter of the channels inside, with or without activations and shortcut."""

    def __init__(self, width: int, *, relu: bool, shortcut: bool) -> None:
        super().__init__()
        inner = width // 4
        layers = [convolution(width, inner), convolution(inner, inner, kernel=3), convolution(inner, width)]
        self.layers = nn.Sequential(*(part for one in layers for part in ((one, nn.ReLU()) if relu else (one,))))
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Transform, and add the input or not."""
        return x + self.layers(x) if self.shortcut else self.layers(x)


def equal_channels(pairs: list[tuple[int, int]]) -> list[Variant]:
    """G1: c1 → c2 → c1."""
    return [
        Variant(
            f"{c1}:{c2}",
            lambda c1=c1, c2=c2: nn.Sequential(convolution(c1, c2), convolution(c2, c1)),
            c1,
            2 * access(c1, c2),
        )
        for c1, c2 in pairs
    ]


def groups(pairs: list[tuple[int, int]]) -> list[Variant]:
    """G2: (channels, groups)."""
    return [
        Variant(f"{c} channels, {g} groups", lambda c=c, g=g: convolution(c, c, groups=g), c, access(c, c, g))
        for c, g in pairs
    ]


def fragments(c: int) -> list[Variant]:
    """G3: 1, 2 or 4 convolutions of c, c / √2 and c / 2 channels."""

    def series(count: int) -> Callable[[], nn.Module]:
        width = round(c / math.sqrt(count))
        return lambda: nn.Sequential(*(convolution(width, width) for _ in range(count)))

    def parallel(count: int) -> Callable[[], nn.Module]:
        return lambda: Parallel(round(c / math.sqrt(count)), count)

    variants = [Variant("1", series(1), c)]
    for word, make in (("in series", series), ("in parallel", parallel)):
        variants += [Variant(f"{count} {word}", make(count), round(c / math.sqrt(count))) for count in (2, 4)]
    return variants


def elementwise(c: int) -> list[Variant]:
    """G4: what activations and shortcuts cost."""
    return [
        Variant(
            f"{'ReLU' if relu else 'no ReLU'}, {'shortcut' if shortcut else 'no shortcut'}",
            lambda relu=relu, shortcut=shortcut: Bottleneck(c, relu=relu, shortcut=shortcut),
            c,
        )
        for relu, shortcut in ((True, True), (True, False), (False, True), (False, False))
    ]


SETS: dict[str, tuple[str, str, Callable[[], list[Variant]]]] = {
    "g1_small": ("G1", "paper, small", lambda: equal_channels([(32, 32), (22, 44), (13, 78), (9, 108)])),
    "g1_large": ("G1", "paper, large", lambda: equal_channels([(128, 128), (90, 180), (52, 312), (36, 432)])),
    "g1_edges": ("G1", "edges", lambda: equal_channels([(64, 64), (32, 128), (16, 256)])),
    "g2_small": ("G2", "paper, small", lambda: groups([(32, 1), (46, 2), (64, 4), (88, 8)])),
    "g2_large": ("G2", "paper, large", lambda: groups([(128, 1), (180, 2), (256, 4), (360, 8)])),
    "g2_edges": ("G2", "edges", lambda: groups([(64, 1), (128, 4), (256, 16)])),
    "g3_64": ("G3", "64 channels", lambda: fragments(64)),
    "g3_128": ("G3", "128 channels", lambda: fragments(128)),
    "g4_64": ("G4", "64 channels", lambda: elementwise(64)),
    "g4_128": ("G4", "128 channels", lambda: elementwise(128)),
}


def network(variant: Variant) -> nn.Module:
    """Stack the blocks."""
    return nn.Sequential(*(variant.build() for _ in range(BLOCKS))).eval()


def measured(key: str, variants: list[Variant], seconds: float) -> dict[str, Any]:
    """Return counts and times of a set, the variants in turn on each engine."""
    torch.manual_seed(0)
    models = {one.name: network(one) for one in variants}
    rows: dict[str, dict[str, Any]] = {}
    for one in variants:
        cost = profile(models[one.name], (1, one.channels, SIDE, SIDE))
        rows[one.name] = {"macs": cost.macs, "params": cost.params, "bytes_moved": cost.bytes_moved}
        if one.memory_access is not None:
            rows[one.name]["memory_access"] = round(BLOCKS * one.memory_access)
    engines = {}
    for engine in ENGINES:
        with tempfile.TemporaryDirectory() as folder, pinned(1):
            sessions = {}
            for place, one in enumerate(variants):
                x = torch.randn(1, one.channels, SIDE, SIDE)
                session = load_proved(models[one.name], (x,), engine, Path(folder, str(place)))
                sessions[one.name] = _Bound(session, x.numpy())
            baseline = variants[0].name
            timing = measure_sessions(sessions, baseline=baseline, rounds=30, seconds=seconds)
        engines[engine] = {
            "rounds": timing.rounds,
            "disturbed": timing.stalled,
            "variants": {
                one.name: {
                    "latency_ms": timing.latency(one.name).to_dict(),
                    "speed_beside_first": timing.speedup(one.name, over=baseline).to_dict(),
                }
                for one in variants
            },
        }
    return {"key": key, "variants": rows, "engines": engines}


class _Bound:
    """A session with its own input, since the widths differ."""

    def __init__(self, session: Any, x: np.ndarray) -> None:
        self.session, self.x = session, x

    def run(self, *_: Any) -> Any:
        """Run on it."""
        return self.session.run(self.x)


def tables(result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the page's tables."""
    machine = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    yield f"{machine['cpu']}, 1 thread; {versions}."
    yield "Medians of interleaved rounds; the factor is the median of the rounds' own ratios to the first row of it,"
    yield "with its 95 % interval: below 1 is slower than the first row."
    for one in result["sets"]:
        guideline, title, _ = SETS[one["key"]]
        engines = list(one["engines"])
        has_access = any("memory_access" in row for row in one["variants"].values())
        yield from ("", f"### {guideline}, {title}", "")
        columns = ["", "MACs (M)", *(["numbers moved (M), by formula"] if has_access else [])]
        columns += [f"{engine}, ms | factor" for engine in engines]
        yield f"| {' | '.join(columns)} |"
        yield f"|{'---|' * (len(columns) + len(engines))}"
        for name, row in one["variants"].items():
            cells = [name, f"{row['macs'] / 1e6:.2f}"]
            cells += [f"{row['memory_access'] / 1e6:.2f}"] if has_access else []
            for engine in engines:
                figures = one["engines"][engine]["variants"][name]
                ratio = figures["speed_beside_first"]
                cells.append(f"{figures['latency_ms']['median_ms']:.3f}")
                cells.append(f"{ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]")
            yield f"| {' | '.join(cells)} |"


def write_page(result: dict[str, Any]) -> None:
    """Put the tables between the marks of the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    write_text(PAGE, "\n".join([before + BEGIN, *tables(result), END + after]))


def main() -> None:
    """Measure what is not measured yet, write the results and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0, help="time for each set on each engine")
    parser.add_argument("--only", help="sets, separated by commas: " + ", ".join(SETS))
    parser.add_argument("--only-table", action="store_true", help="write the page from the committed results")
    parser.add_argument("--dry", action="store_true", help="measure and print, but keep and write nothing")
    arguments = parser.parse_args()
    if arguments.only_table:
        write_page(json.loads((RESULTS / "guidelines.json").read_text(encoding="utf-8")))
        return
    chosen = arguments.only.split(",") if arguments.only else list(SETS)
    found = []
    for key in chosen:
        kept = KEPT / f"{key}.json"
        if kept.is_file() and not arguments.dry:
            found.append(json.loads(kept.read_text(encoding="utf-8")))
            continue
        print(f"== {key}", flush=True)
        found.append(measured(key, SETS[key][2](), arguments.seconds))
        if not arguments.dry:
            write_text(kept, json.dumps(found[-1], indent=1))
    result = {**machine_and_versions("onnxruntime", "ncnn"), "seed": 0, "blocks": BLOCKS, "side": SIDE, "sets": found}
    if arguments.dry:
        print("\n".join(tables(result)))
    elif chosen == list(SETS):
        write_result("guidelines", result)
        write_page(result)


if __name__ == "__main__":
    main()
