"""How well the roofline foretells latency: every network of the catalog on this machine, on onnxruntime, one thread.

Run from the project's root, alone on the machine:

    python benchmarks/roofline.py

Latencies of `results/zoo.json` are taken where they are of this machine and these versions; the others are measured,
one network after the other, and kept in `runs/roofline`: started again, it goes on. The roofs are measured first.
Three predictions are compared with the measured time, and with counting MACs alone: the roofline as written, the same
with normalisation and activations fused (which the engine does), and with efficiencies by kind of work. Those are
learnt from other families than the network's own: the families are dealt into parts by a seed, and each part is
predicted by what was learnt from the rest.

Writes `results/roofline.json`, and from it a part of `docs/profiling_measured.md`.
"""

import argparse
import importlib.metadata
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from common import RESULTS, machine_and_versions, write_result
from lissome.cli.progress import TerminalProgress
from lissome.core.files import write_text
from lissome.core.machine import describe_machine
from lissome.core.progress import Progress
from lissome.core.settings import key_of
from lissome.devices.device import Device
from lissome.exporting.to_onnx import to_onnx
from lissome.models.catalog import CATALOG
from lissome.models.create import create
from lissome.profiling.calibration import Calibration, calibrate
from lissome.profiling.profile import profile
from lissome.profiling.roofline import predict
from lissome.profiling.rows import Profile
from lissome.profiling.this_device import measure_this_device
from lissome.runtimes.table import get_runtime
from lissome.timing.measure import measure
from lissome.timing.pinned import pinned
from profiling_page import write_page

ENGINE = "onnxruntime"
KEPT = Path("runs/roofline")
PARTS = 5
SEED = 0


def main() -> None:
    """Measure roofs and networks, predict, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="time for the rounds of one network")
    parser.add_argument("--limit", type=int, default=None, help="so many networks only, the smallest")
    parser.add_argument("--trial", type=Path, default=None, help="write result and page into this folder instead")
    arguments = parser.parse_args()
    names = sorted(CATALOG, key=lambda one: CATALOG[one].macs)[: arguments.limit]
    with TerminalProgress() as progress, pinned(1):
        device = measure_this_device(threads=1)
        times, reused = latencies(names, arguments.seconds, progress)
    costs = {name: cost_of(name) for name in names}
    result = {
        **machine_and_versions(ENGINE),
        "engine": ENGINE,
        "seed": SEED,
        "parts": PARTS,
        "latencies_from_zoo": reused,
        "device": device.to_dict(),
        **compared(costs, times, device),
    }
    if arguments.trial:
        write_text(arguments.trial / "roofline.json", json.dumps(result, indent=1) + "\n")
    else:
        write_result("roofline", result)
    write_page(arguments.trial or RESULTS, (arguments.trial or Path("docs")) / "profiling_measured.md")


def cost_of(name: str) -> Profile:
    """Count one image of the catalog's size."""
    with torch.device("meta"):
        return profile(create(name), (1, *CATALOG[name].input))


def latencies(names: list[str], seconds: float, progress: Progress) -> tuple[dict[str, float], int]:
    """Return the median milliseconds of each network, and how many of them the zoo's benchmark had."""
    known = zoo_latencies()
    versions = {name: importlib.metadata.version(name) for name in ("lissome", "torch", ENGINE)}
    KEPT.mkdir(parents=True, exist_ok=True)
    times: dict[str, float] = {}
    for name in names:
        if name in known:
            times[name] = known[name]
            continue
        path = KEPT / f"{name}-{key_of(name, seconds, SEED, versions, describe_machine())}.json"
        if not path.is_file():
            progress.say(f"== {name}")
            write_text(path, json.dumps({"median_ms": median_ms(name, seconds)}))
        times[name] = json.loads(path.read_text(encoding="utf-8"))["median_ms"]
    return times, sum(name in known for name in names)


def zoo_latencies() -> dict[str, float]:
    """Return what the zoo's benchmark measured, if on this machine with these versions."""
    path = RESULTS / "zoo.json"
    if not path.is_file():
        return {}
    zoo = json.loads(path.read_text(encoding="utf-8"))
    here = machine_and_versions(ENGINE)
    same = zoo.get("machine") == here["machine"] and zoo["versions"].get(ENGINE) == here["versions"][ENGINE]
    rows = zoo.get("networks", {}) if same else {}
    engines = {name: row.get("engines", {}).get(ENGINE, {}) for name, row in rows.items()}
    return {name: one["latency_ms"]["median_ms"] for name, one in engines.items() if "latency_ms" in one}


def median_ms(name: str, seconds: float) -> float:
    """Time one image on the engine."""
    image = torch.randn(1, *CATALOG[name].input, generator=torch.Generator().manual_seed(SEED))
    with tempfile.TemporaryDirectory() as folder:
        runtime = get_runtime(ENGINE)
        to_onnx(create(name, seed=SEED), (image,), Path(folder) / runtime.files[0])
        session = runtime.load(folder, threads=1, precision="float32")
        array = image.numpy()
        timing = measure({name: lambda: session.run(array)}, rounds=15, seconds=seconds, seed=SEED)
    return timing.latency(name).median_ms


def compared(costs: dict[str, Profile], times: dict[str, float], device: Device) -> dict[str, Any]:
    """Predict every network in each way, and say how near each way comes."""
    held_out = calibrated(costs, times, device)
    rows = {}
    for name, cost in costs.items():
        plain = predict(cost, device)
        learnt = held_out[name]
        rows[name] = {
            "family": CATALOG[name].family,
            "macs": cost.macs,
            "measured_ms": times[name],
            "roofline_ms": plain.total_ms,
            "fused_ms": plain.fused_ms,
            "calibrated_ms": predict(cost, device, efficiency=learnt.efficiency, call_ms=learnt.call_ms).fused_ms,
        }
    measured = np.array([row["measured_ms"] for row in rows.values()])
    ways = {"MACs": "macs", "roofline": "roofline_ms", "fused": "fused_ms", "calibrated": "calibrated_ms"}
    scores = {
        way: agreement(np.array([row[key] for row in rows.values()], float), measured, is_time=way != "MACs")
        for way, key in ways.items()
    }
    every = calibrate([(costs[name], times[name]) for name in costs], device)
    return {
        "networks": rows,
        "agreement": scores,
        "efficiency": {**every.efficiency},
        "call_ms": every.call_ms,
    }


def calibrated(costs: dict[str, Profile], times: dict[str, float], device: Device) -> dict[str, Calibration]:
    """Return, for each network, what was learnt from other families."""
    families = sorted({CATALOG[name].family for name in costs})
    dealt = np.random.default_rng(SEED).permutation(len(families)) % min(PARTS, len(families))
    part = dict(zip(families, dealt.tolist(), strict=True))
    learnt = {}
    for one in set(part.values()):
        others = [(costs[name], times[name]) for name in costs if part[CATALOG[name].family] != one]
        learnt[one] = calibrate(others, device)
    return {name: learnt[part[CATALOG[name].family]] for name in costs}


def agreement(predicted: Any, measured: Any, *, is_time: bool) -> dict[str, float]:
    """Return rank correlation and, for times, how far off they are."""
    table = {"spearman": float(np.corrcoef(ranks(predicted), ranks(measured))[0, 1])}
    if is_time:
        factors = predicted / measured
        table["median_error"] = float(np.median(np.abs(factors - 1)))
        table["median_factor"] = float(np.median(factors))
        table["within_a_quarter"] = float(np.mean(np.abs(factors - 1) <= 0.25))
    return table


def ranks(values: Any) -> Any:
    """Return the rank of each value; equal ones share theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[place]


if __name__ == "__main__":
    main()
    print(json.dumps({"done": True}))
