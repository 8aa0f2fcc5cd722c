"""How long it takes to prune half of a network's channels by L1: lissome and torch-pruning in turn, in one process.

Both begin with a network they may not change, so both copy it; lissome also checks the weights, counts before and
after, runs what is left and writes a receipt. Run from the project's root, alone on the machine:

    pip install -r benchmarks/requirements.txt
    python benchmarks/pruning_speed.py
"""

import argparse
import copy
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch_pruning
from torch import Tensor, nn

from common import machine_and_versions, write_result, write_section
from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.scores import L1
from lissome.core.context import Context
from lissome.models.catalog import CATALOG
from lissome.models.create import create
from lissome.timing.pinned import pinned
from lissome.timing.statistics import median_interval
from lissome.tracing.groups import groups_of
from lissome.tracing.propagate import propagate

NAME = "pruning_speed"
SEED = 0
NETWORKS = ("resnet50", "resnet18", "vgg16_bn", "mobilenet_v2", "densenet121", "squeezenet1_1")


def ours(model: nn.Module, images: Tensor) -> None:
    """Prune with lissome."""
    PruneChannels(keep=0.5, score=L1()).apply(model, Context(example=images))


def peer(model: nn.Module, images: Tensor) -> None:
    """Prune with torch-pruning, told which layer classifies."""
    model = copy.deepcopy(model)
    weighted = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    torch_pruning.pruner.BasePruner(
        model,
        images,
        importance=torch_pruning.importance.MagnitudeImportance(p=1),
        pruning_ratio=0.5,
        ignored_layers=weighted[-1:],
        round_to=8,
    ).step()


def groups_only(model: nn.Module, images: Tensor) -> None:
    """Find the groups, and nothing more."""
    groups_of(propagate(model, (images,)))


def seconds_of(work: Callable[[nn.Module, Tensor], None], model: nn.Module, images: Tensor) -> float:
    """Return how long one call takes."""
    started = time.perf_counter()
    work(model, images)
    return time.perf_counter() - started


def compared(name: str, rounds: int) -> dict[str, Any]:
    """Return medians, and the peer's time over ours by pairs with its interval."""
    model, images = create(name, seed=SEED), torch.zeros(1, *CATALOG[name].input)
    works = (ours, peer, groups_only)
    for work in works:
        work(model, images)  # what is loaded at first use is not the network's
    times = np.array([[seconds_of(work, model, images) for work in works] for _ in range(rounds)])
    ratio = median_interval(times[:, 1] / times[:, 0], np.random.default_rng(SEED))
    names = ("lissome_seconds", "torch_pruning_seconds", "groups_seconds")
    return {**dict(zip(names, np.median(times, axis=0).tolist(), strict=True)), "times_as_fast": ratio.to_dict()}


def page(rows: dict[str, dict[str, Any]]) -> str:
    """Return the section of `docs/pruning.md`."""
    lines = ["| network | lissome s | torch-pruning s | times as fast | groups alone s |", "|---|---|---|---|---|"]
    for name, row in rows.items():
        ratio = row["times_as_fast"]
        seconds = [f"{row[f'{one}_seconds']:.2f}" for one in ("lissome", "torch_pruning", "groups")]
        interval = f"{ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"
        lines.append(f"| {name} | {seconds[0]} | {seconds[1]} | {interval} | {seconds[2]} |")
    return "\n".join(lines)


def main() -> None:
    """Time each network, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--limit", type=int, default=len(NETWORKS), help="only the first so many networks")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    rows = {}
    with pinned(1):
        for name in NETWORKS[: asked.limit]:
            rows[name] = compared(name, asked.rounds)
            print(name, rows[name], flush=True)
    if asked.limit < len(NETWORKS):
        print("a part only: nothing is written")
        return
    settings = {"seed": SEED, "rounds": asked.rounds}
    write_result(NAME, {**machine_and_versions("torch-pruning"), **settings, "networks": rows})
    write_section("pruning.md", "speed", page(rows))


if __name__ == "__main__":
    main()
