"""Writes what `slimming.py` measured into `docs/slimming.md`, beside the paper's figures, and its two pictures.

python benchmarks/slimming_page.py      # from results/slimming.json
"""

import json
from typing import Any

from common import RESULTS, write_section
from pictures import lines, steps

PAPER = {
    "base": ("6.34 %", "20.04 M", "", ""),
    "70 %, one pass": ("6.20 %", "2.30 M", "88.5 %", "51.0 %"),
    "50 % a pass, pass 1": ("6.51 %", "", "66.7 %", "38.6 %"),
    "50 % a pass, pass 2": ("6.11 %", "", "84.7 %", "52.7 %"),
    "50 % a pass, pass 3": ("6.10 %", "", "91.4 %", "63.1 %"),
}
"""Test error fine-tuned, parameters, parameters cut, FLOPs cut, of the full-width network after 160 epochs."""

ROWS = {
    "trained_0": ("trained without pull", "base"),
    "trained_0.0001": ("λ 1e-4, not pruned", ""),
    "trained_0.001": ("λ 1e-3, not pruned", ""),
    "one_shot": ("70 %, one pass", "70 %, one pass"),
    "one_shot_multiple_of_8": ("70 %, one pass, widths of multiples of 8", ""),
    "one_shot_without_pull": ("70 %, one pass, trained without pull", ""),
    "pass_1": ("50 % a pass, pass 1", "50 % a pass, pass 1"),
    "pass_2": ("50 % a pass, pass 2", "50 % a pass, pass 2"),
    "pass_3": ("50 % a pass, pass 3", "50 % a pass, pass 3"),
}


def write_page(table: dict[str, Any]) -> None:
    """Write the pictures and the tables."""
    fractions = [number / 10 for number in range(1, 10)]
    cliffs = {
        f"λ = {strength}": [(100 * share, 100 * one) for share, one in zip(fractions, row, strict=True)]
        for strength, row in table["cliff"].items()
    }
    lines("slimming_cliff", "Validation accuracy without fine-tuning, %", "channels pruned, %", cliffs)
    histograms = {f"λ = {strength}": _shares(table, strength) for strength in table["cliff"]}
    steps("slimming_scales", "Scales after training, share of all", "|γ|", histograms)
    engines = table["engines"]
    text = [
        f"VGG-19 at width {table['width']:g}, {table['epochs']} epochs of sparse training, {table['tune_epochs']} of "
        f"fine-tuning, batch 128, seed {table['seed']}, {table['images']['train']:,} training images. Accuracy on the "
        f"{table['images']['test']:,} test images, read once. The paper's figures are those of the full-width network "
        "after 160 epochs, fine-tuned for as many.",
        "",
        _table(table, engines),
        "",
        "How far the pull can move a scale that nothing holds (Σ learning rate · λ / (1 - momentum), from 0.5 on): "
        + "; ".join(f"λ = {strength}: {pull:.2f}" for strength, pull in table["pull"].items())
        + ". The paper's 160 epochs at λ = 1e-4 come to 6.6.",
        "",
        "Without fine-tuning, accuracy on the validation images:",
        "",
        "| pruned | " + " | ".join(f"{share:.0%}" for share in fractions) + " |",
        "|---|" + "---|" * len(fractions),
        *(
            f"| λ = {strength} | " + " | ".join(f"{100 * one:.1f} %" for one in row) + " |"
            for strength, row in table["cliff"].items()
        ),
        "",
        "An independent reproduction of the paper at full width saw 93.4 % at 50 %, 37.8 % at 60 % and 10.0 % at 70 %.",
        "",
        "![The cliff](pictures/slimming_cliff.svg)",
        "",
        "![The scales](pictures/slimming_scales.svg)",
    ]
    write_section("slimming.md", "results", "\n".join(text))


def _shares(table: dict[str, Any], strength: str) -> tuple[list[float], list[float]]:
    receipt = table["candidates"][f"trained_{strength}"]["receipt"]
    found = receipt["parts"][0]["measurements"]["histogram"]
    total = sum(found["counts"])
    return found["edges"], [count / total for count in found["counts"]]


def _table(table: dict[str, Any], engines: dict[str, Any]) -> str:
    base = table["candidates"]["trained_0"]
    heads = ["", "error", "params", "cut", "MACs", "cut", *(f"{one}, faster by" for one in engines)]
    heads += ["paper: error", "params cut", "FLOPs cut"]
    rows = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, (title, of_paper) in ROWS.items():
        one = table["candidates"][name]
        cells = [title, f"{100 * (1 - one['accuracy']):.2f} %"]
        for figure in ("params", "macs"):
            cut = 1 - one[figure] / base[figure]
            cells += [f"{one[figure]:,}", f"{cut:.1%}" if cut else ""]
        for found in engines.values():
            speed = found["candidates"][name]["speedup"]
            cells.append(
                "1" if name == "trained_0" else f"{speed['median']:.2f}x [{speed['low']:.2f}, {speed['high']:.2f}]"
            )
        error, _, params, flops = PAPER.get(of_paper, ("", "", "", ""))
        rows.append("| " + " | ".join([*cells, error, params, flops]) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    write_page(json.loads((RESULTS / "slimming.json").read_text()))
