"""`lissome optimize` against onnxsim and onnxslim: how long it takes, and how fast what it makes is.

Run from the project's root, alone on the machine, since both parts are timed:

    pip install -r benchmarks/requirements.txt
    python benchmarks/optimize.py                                    # about a quarter of an hour
    python benchmarks/optimize.py --names tool googlenet repvgg_a0   # a slice of it; slices come together by themselves

Networks are exported with seeded random weights (speed does not depend on them; RepVGG in its train form). Finished
cells are kept in `runs/optimize`; started again, it goes on with the next. Latency is of one image on one thread, all
graphs of a network in turn, in sittings, each with sessions opened anew; the ratios are medians of the sittings' own
ratios with a 95 % interval. The result of all cells there are goes to `results/optimize.json` and
`docs/optimize.md`.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxsim
import onnxslim
import torch
from torch import nn

from common import machine_and_versions, write_result, write_section
from lissome.core.files import write_text
from lissome.exporting.graph_proof import GraphProof
from lissome.exporting.optimize import optimize
from lissome.exporting.to_onnx import to_onnx
from lissome.models.catalog import CATALOG
from lissome.models.create import create
from lissome.timing.graph_gain import measure_graphs
from lissome.timing.measure import measure

NETWORKS = (
    *("googlenet", "inception_v2", "inception_v3", "inception_v4", "squeezenet1_0", "squeezenet1_1", "ghostnet"),
    *("densenet121", "vovnet39", "repvgg_a0", "mobilenet_v3_small", "mobilenet_v3_large", "shufflenet_v2_x1_0"),
)
ENGINES = ("onnxruntime", "openvino")
PLAIN, SLIM, OURS = "plain export", "onnxslim", "lissome"
TOOL = "tool"
"""Stands among the names for the time that the tools themselves take."""
SEED = 0
RESAMPLES = 2000


def exported(name: str) -> onnx.ModelProto:
    """Return a catalog network as plain ONNX; its batch normalisations get statistics that are not all alike."""
    network = create(name, seed=SEED)
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d) and layer.running_mean is not None and layer.running_var is not None:
                layer.running_mean.normal_(0, 0.1, generator=generator)
                layer.running_var.uniform_(0.5, 1.5, generator=generator)
    with tempfile.TemporaryDirectory() as folder:
        to_onnx(network, (torch.zeros(1, *CATALOG[name].input),), Path(folder, "graph.onnx"))
        return onnx.load(Path(folder, "graph.onnx"))


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    return made


def tool_speed(seconds: float) -> dict[str, Any]:
    """Time the tools on ResNet-50, in turn: from a model in memory to a new one in memory.

    Each gets a copy of its own, since a tool may write into what it is given; the copy is in everybody's time.
    """
    model = exported("resnet50")
    tools: dict[str, Callable[[], object]] = {
        "onnxsim": lambda: onnxsim.simplify(copied(model)),
        SLIM: lambda: onnxslim.slim(copied(model)),
        OURS: lambda: optimize(copied(model)),
        f"{OURS} for onnxruntime": lambda: optimize(copied(model), engine="onnxruntime"),
    }
    timing = measure(tools, baseline=SLIM, rounds=10, warmup=1, seconds=seconds, seed=SEED)
    return timing.to_dict()


def latency(name: str, model: onnx.ModelProto, engine: str, seconds: float) -> dict[str, Any]:
    """Time the plain export, onnxslim's and ours in pairs, and compare the outputs."""
    outcome = optimize(model, engine=engine)
    graphs = {PLAIN: model, SLIM: onnxslim.slim(copied(model)), OURS: outcome.model}
    proof = GraphProof(model)
    timing = measure_graphs(graphs, engine, baseline=PLAIN, seconds=seconds, seed=SEED)
    return {
        "network": name,
        "engine": engine,
        "timing": timing.to_dict(),
        "over_plain": timing.speedup(OURS).to_dict(),
        "over_onnxslim": timing.speedup(OURS, over=SLIM).to_dict(),
        "nodes": {key: len(graph.graph.node) for key, graph in graphs.items()},
        "max_rel": {key: proof.compare(graph).max_rel for key, graph in graphs.items()},
        "fired": {one.name: one.fired for one in outcome.optimized.passes if one.fired},
        "ratios": timing.ratios(OURS).tolist(),
    }


def geometric_mean(cells: list[dict[str, Any]]) -> dict[str, float]:
    """Return the geometric mean of the networks' median ratios, its interval from resampling their sittings."""
    generator = np.random.default_rng(SEED)
    medians = np.asarray([np.log(np.median(cell["ratios"])) for cell in cells])
    drawn = np.zeros((RESAMPLES, len(cells)))
    for place, cell in enumerate(cells):
        ratios = np.asarray(cell["ratios"])
        picks = generator.integers(0, len(ratios), size=(RESAMPLES, len(ratios)))
        drawn[:, place] = np.log(np.median(ratios[picks], axis=1))
    low, high = np.percentile(np.exp(drawn.mean(axis=1)), (2.5, 97.5))
    return {"median": float(np.exp(medians.mean())), "low": float(low), "high": float(high)}


def page(result: dict[str, Any]) -> None:
    """Write the tables into docs/optimize.md."""
    lines = []
    if result["tool"]:
        lines += ["| tool, ResNet-50 | median s | min s |", "|---|---|---|"]
        for key, one in result["tool"]["candidates"].items():
            lines.append(f"| {key} | {one['median_ms'] / 1e3:.3f} | {one['min_ms'] / 1e3:.3f} |")
    for engine, mean in result["geometric_mean"].items():
        lines += [
            "",
            f"**{engine} {result['versions'][engine]}**, one thread, ms a picture (median of all rounds):",
            "",
        ]
        lines += [
            "| network | plain | onnxslim | lissome | over plain [95 %] | over onnxslim [95 %] | nodes | max rel |"
        ]
        lines += ["|---|---|---|---|---|---|---|---|"]
        for cell in (one for one in result["cells"] if one["engine"] == engine):
            times = [f"{cell['timing']['candidates'][key]['median_ms']:.2f}" for key in (PLAIN, SLIM, OURS)]
            ratios = [
                "{median:.3f} [{low:.3f}, {high:.3f}]".format(**cell[key]) for key in ("over_plain", "over_onnxslim")
            ]
            nodes = f"{cell['nodes'][PLAIN]} → {cell['nodes'][OURS]}"
            row = (cell["network"], *times, *ratios, nodes, f"{cell['max_rel'][OURS]:.0e}")
            lines.append(f"| {' | '.join(row)} |")
        lines += ["", "Geometric mean over the plain export: {median:.3f} [{low:.3f}, {high:.3f}].".format(**mean)]
    write_section("optimize.md", "measured", "\n".join(lines))


def kept_or_timed(kept: Path, label: str, time_it: Callable[[], dict[str, Any]]) -> None:
    """Fill a cell unless it is there already."""
    if not kept.exists():
        started = time.perf_counter()
        write_text(kept, json.dumps(time_it()))
        print(f"{label}: {time.perf_counter() - started:.0f} s", flush=True)


def main() -> None:
    """Time what is not timed yet, and write the result of all cells there are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=12.0, help="for the rounds of each network on each engine")
    parser.add_argument("--names", nargs="*", default=None, choices=[TOOL, *NETWORKS], help="some cells only")
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument(
        "--trial", type=Path, default=None, help="keep cells below this folder, write no result or docs"
    )
    options = parser.parse_args()
    runs = (options.trial or Path()) / "runs/optimize"
    cell_of = "{}-{}-{:g}s.json".format
    for name in options.names or (TOOL, *NETWORKS):
        if name == TOOL:
            kept_or_timed(runs / f"{TOOL}-{options.seconds:g}s.json", TOOL, partial(tool_speed, options.seconds))
            continue
        places = {engine: runs / cell_of(name, engine, options.seconds) for engine in options.engines}
        model = None if all(one.exists() for one in places.values()) else exported(name)
        for engine, place in places.items():
            if model is not None:
                kept_or_timed(place, f"{name} on {engine}", partial(latency, name, model, engine, options.seconds))
    wanted = [runs / cell_of(name, engine, options.seconds) for name in NETWORKS for engine in ENGINES]
    cells = [json.loads(one.read_text(encoding="utf-8")) for one in wanted if one.exists()]
    tool = runs / f"{TOOL}-{options.seconds:g}s.json"
    by_engine = {one: [cell for cell in cells if cell["engine"] == one] for one in ENGINES}
    result = {
        **machine_and_versions("onnx", "onnxsim", "onnxslim", *ENGINES),
        "seed": SEED,
        "seconds": options.seconds,
        "tool": json.loads(tool.read_text(encoding="utf-8")) if tool.exists() else None,
        "geometric_mean": {one: geometric_mean(found) for one, found in by_engine.items() if found},
        "cells": [{key: value for key, value in cell.items() if key != "ratios"} for cell in cells],
    }
    for cell in cells:
        ratios = ["{median:.3f} [{low:.3f}, {high:.3f}]".format(**cell[one]) for one in ("over_plain", "over_onnxslim")]
        print(cell["network"], cell["engine"], *ratios, f"{cell['max_rel'][OURS]:.0e}")
    print(json.dumps(result["geometric_mean"]))
    if options.trial is None:
        write_result("optimize", result)
        page(result)


if __name__ == "__main__":
    main()
