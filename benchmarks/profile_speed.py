"""How long counting a network takes: lissome's `profile` against fvcore, thop, ptflops and torchinfo, in turn.

Run from the project's root, alone on the machine:

    pip install -r benchmarks/requirements.txt
    python benchmarks/profile_speed.py

Every tool counts the same network at the same input on one thread, in random order within each round; the ratio is that
of the rounds themselves. Peers run the network's forward, as they are documented; torchinfo is also given the network
without values (on torch's "meta" device), where it has nothing to compute. `profile` counts more than any of them:
operations of every operator, bytes, fusions and peak memory. The first call in a new process is timed as well.

Writes `results/profile_speed.json`, and from it a part of `docs/profiling_measured.md`.
"""

import argparse
import contextlib
import io
import json
import statistics
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from common import RESULTS, machine_and_versions, write_result
from lissome.core.files import write_text
from lissome.models.catalog import CATALOG
from lissome.models.create import create
from lissome.timing.measure import measure
from lissome.timing.pinned import pinned
from profiling_page import write_page

NAMES = ("resnet50", "mobilenet_v2", "vgg16")
SEED = 0
PEERS = ("fvcore", "thop", "ptflops", "torchinfo")

Count = Callable[[], tuple[int, int]]


def counters(name: str) -> dict[str, Count]:
    """Return each tool's count of parameters and multiply-adds, with a network of its own.

    A tool is imported by its first call, so that a first call can be timed with all that it loads.
    """
    image = (1, *CATALOG[name].input)
    networks = {tool: create(name, seed=SEED).eval() for tool in ("lissome", *PEERS)}
    with torch.device("meta"):
        light = create(name, seed=SEED).eval()

    def by_lissome() -> tuple[int, int]:
        from lissome.profiling.profile import profile

        cost = profile(networks["lissome"], image)
        return cost.params, cost.macs

    def by_fvcore() -> tuple[int, int]:
        import fvcore.nn

        analysis = fvcore.nn.FlopCountAnalysis(networks["fvcore"], torch.zeros(image))
        analysis.unsupported_ops_warnings(enabled=False)
        return fvcore.nn.parameter_count(networks["fvcore"])[""], int(analysis.total())

    def by_thop() -> tuple[int, int]:
        import thop

        macs, params = thop.profile(networks["thop"], (torch.zeros(image),), verbose=False)
        return int(params), int(macs)

    def by_ptflops() -> tuple[int, int]:
        import ptflops

        macs, params = ptflops.get_model_complexity_info(
            networks["ptflops"], image[1:], as_strings=False, print_per_layer_stat=False, verbose=False
        )
        return int(params), int(macs)

    def by_torchinfo(network: nn.Module, device: str) -> tuple[int, int]:
        import torchinfo

        found = torchinfo.summary(network, image, device=device, verbose=0)
        return found.total_params, found.total_mult_adds

    return {
        "lissome": by_lissome,
        "fvcore": by_fvcore,
        "thop": by_thop,
        "ptflops": by_ptflops,
        "torchinfo": lambda: by_torchinfo(networks["torchinfo"], "cpu"),
        "torchinfo on meta": lambda: by_torchinfo(light, "meta"),
    }


def quietly(count: Count) -> Count:
    """Return the count without what the tool prints and warns."""

    def silent() -> tuple[int, int]:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return count()

    return silent


def compared(name: str, seconds: float) -> dict[str, Any]:
    """Time every tool on one network."""
    counts: dict[str, Any] = {}
    calls: dict[str, Count] = {}
    for tool, count in counters(name).items():
        try:
            params, macs = quietly(count)()
        except Exception as error:  # a peer may fail on a newer torch; the table says so
            if tool == "lissome":
                raise
            counts[tool] = {"failed": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
            continue
        counts[tool] = {"params": params, "macs": macs}
        calls[tool] = quietly(count)
    timing = measure(calls, baseline="lissome", rounds=10, warmup=2, seconds=seconds, seed=SEED)
    for tool in calls:
        counts[tool]["latency_ms"] = timing.latency(tool).to_dict()
        if tool != "lissome":
            # How many times as long as lissome: the peer's time over ours, round by round.
            counts[tool]["times_as_long"] = timing.speedup("lissome", over=tool).to_dict()
    quickest = min((one for one in calls if one != "lissome"), key=lambda one: timing.latency(one).median_ms)
    return {"tools": counts, "quickest_peer": quickest, "rounds": timing.rounds, "disturbed": timing.stalled}


PROGRAM = """
import time
import torch
from benchmark_counters import counters, quietly

torch.set_num_threads(1)
call = counters({name!r})[{tool!r}]
start = time.perf_counter()
quietly(call)()
print(time.perf_counter() - start)
"""


def first_calls(name: str, repeats: int) -> dict[str, Any]:
    """Time the first call of each tool in new processes: what a command line's user waits for beside torch's import."""
    table: dict[str, Any] = {}
    for tool in ("lissome", *PEERS, "torchinfo on meta"):
        program = PROGRAM.format(name=name, tool=tool).replace("benchmark_counters", Path(__file__).stem)
        times = []
        for _ in range(repeats):
            command = [sys.executable, "-c", program]
            run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
            if run.returncode == 0:
                times.append(1e3 * float(run.stdout.split()[-1]))
        table[tool] = {"median_ms": statistics.median(times), "runs": len(times)} if times else {"failed": "see above"}
    return table


def main() -> None:
    """Compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="time for the rounds of one network")
    parser.add_argument("--repeats", type=int, default=5, help="new processes for the first call")
    parser.add_argument("--names", nargs="*", default=list(NAMES), choices=list(CATALOG))
    parser.add_argument("--trial", type=Path, default=None, help="write result and page into this folder instead")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with pinned(1), torch.no_grad():
        networks = {name: compared(name, arguments.seconds) for name in arguments.names}
        first = first_calls(arguments.names[0], arguments.repeats)
    result = {
        **machine_and_versions(*PEERS),
        "seed": SEED,
        "networks": networks,
        "first_call": {"network": arguments.names[0], "tools": first},
    }
    if arguments.trial:
        write_text(arguments.trial / "profile_speed.json", json.dumps(result, indent=1) + "\n")
    else:
        write_result("profile_speed", result)
    write_page(arguments.trial or RESULTS, (arguments.trial or Path("docs")) / "profiling_measured.md")


if __name__ == "__main__":
    main()
    print(json.dumps({"done": True}))
