"""Every network of the catalog at half of its channels, on engines: exported, proved, read back from its artifact.

Run from the project's root; nothing is timed, so other work may run beside it:

    python benchmarks/pruned_networks.py

Networks have random weights, batch normalisation's statistics from noise, and their form for small images where there
is one, since only the wiring is asked about. Each is pruned by random scores and by L1; what is left is exported with
parity, loaded, and run once more on images that the export has not seen. What is kept lies in `runs/pruned_networks`;
started again, it goes on.
"""

import argparse
import inspect
import tempfile
from pathlib import Path
from typing import Any

import torch

from common import cell, machine_and_versions, write_result, write_section
from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.scores import L1, Random
from lissome.core.context import Context
from lissome.core.errors import LissomeError
from lissome.core.names import load_attribute
from lissome.exporting.export import export
from lissome.exporting.parity import compare
from lissome.models.catalog import CATALOG
from lissome.models.create import create
from lissome.runtimes.artifact import load
from zoo import with_statistics

NAME = "pruned_networks"
RUNS = Path("runs", NAME)
SEED = 0
ENGINES = ("onnxruntime", "ncnn")
SCORES = {"random": Random(), "L1": L1()}
SAMPLES, UNSEEN = 2, 2


def main() -> None:
    """Prune, export, read back, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", nargs="*", choices=list(CATALOG), default=None, help="some networks only")
    parser.add_argument("--trial", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows: dict[str, Any] = {}
    for name in arguments.names or sorted(CATALOG, key=lambda one: CATALOG[one].macs):
        rows[name] = {
            score: cell(RUNS, f"{name} {score}", lambda name=name, score=score: of_network(name, score))
            for score in SCORES
        }
        print(name, rows[name], flush=True)
    if arguments.trial or arguments.names:
        return
    table = {**machine_and_versions(*ENGINES), "seed": SEED, "keep": 0.5, "networks": rows}
    write_result(NAME, table)
    write_section("pruning.md", "pruned networks", page(table))


def of_network(name: str, score: str) -> dict[str, Any]:
    """Return what became of one network: parameters, and for each engine the largest differences or why it refused."""
    entry = CATALOG[name]
    small = "small_input" in inspect.signature(load_attribute(entry.build)).parameters
    settings: dict[str, Any] = {"small_input": True} if small else {}
    shape = (entry.input[0], 32, 32) if small else entry.input
    images = torch.randn(SAMPLES + UNSEEN, *shape, generator=torch.Generator().manual_seed(SEED))
    context = Context(example=images[:SAMPLES], seed=SEED)
    outcome = PruneChannels(keep=0.5, score=SCORES[score]).apply(create(name, seed=SEED, **settings), context)
    # Statistics from more than one place a channel, where the network ends in maps of a single pixel.
    model = with_statistics(outcome.model, torch.randn(16, *shape, generator=torch.Generator().manual_seed(SEED + 1)))
    unseen = images[SAMPLES:]
    with torch.no_grad():
        expected = model(unseen).numpy()
    row: dict[str, Any] = {one: outcome.measurements[one] for one in ("params_before", "params")}
    for engine in ENGINES:
        with tempfile.TemporaryDirectory() as folder:
            try:
                artifact = load(export(model, f"{folder}/pruned.lissome", runtimes=[engine], context=context).path)
                made = artifact.session(engine, threads=1, precision="float32").run(unseen.numpy())
                (parity,) = compare([expected], made, engine=engine).require().outputs
                (proved,) = artifact.card.engines[engine].parity["outputs"]
                row[engine] = {"exported": proved["max_rel"], "read_back": parity.max_rel}
            except LissomeError as error:
                row[engine] = {"refused": str(error)}
    return row


def page(table: dict[str, Any]) -> str:
    """Return the results as text and a Markdown table of what was refused."""
    cells = [
        (name, score, engine, row[engine])
        for name, scores in table["networks"].items()
        for score, row in scores.items()
        for engine in ENGINES
    ]
    refused = [one for one in cells if "refused" in one[3]]
    largest = max(one["read_back"] for *_, one in cells if "read_back" in one)
    kept = [row["params"] / row["params_before"] for scores in table["networks"].values() for row in scores.values()]
    lines = [
        f"{len(table['networks'])} networks, random weights, half of the channels by random scores and by L1 "
        f"({min(kept):.0%} to {max(kept):.0%} of the parameters stay): {len(cells) - len(refused)} of {len(cells)} "
        f"exports agree with PyTorch, written and read back; the largest difference on images that no export had seen "
        f"is {largest:.1e} of the largest value.",
    ]
    if refused:
        lines += ["", "| network | score | engine | reason |", "|---|---|---|---|"]
        lines += [f"| `{name}` | {score} | {engine} | {one['refused']} |" for name, score, engine, one in refused]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
