"""The automatic compressor: what it finds in an hour, against int8 alone, a peer, and a recipe written by hand.

Run from the project's root, with the data of `docs/data.md`:

    pip install -r benchmarks/requirements.txt
    python benchmarks/automatic.py --only-rivals    # trains what the search must beat; may run beside other work
    python benchmarks/automatic.py --only-search    # the searches; they time networks in pairs meanwhile
    python benchmarks/automatic.py                  # alone on the machine: times, reads the test images, writes

Everything finished lies in `runs/automatic`; started again, it goes on. Parts can be run alone: `--parts resnet56 lite0
kills`. Every choice is made on validation images; the test images give the final figures.

The published weights of ResNet-56 were trained on all 50,000 images, so they know the validation images by heart
(99.96 %, and 93.39 % on the test images): there any network that is trained again loses more than on images that
nobody has seen. What earlier searches found lost half as much on the test images (1.24 and 0.67 points, 1.16 and 0.58),
so a search may lose one point on the validation images where half a point is asked for.
"""

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from blocks_and_widths import candidates
from cifar10_resnet56 import PeerPruning
from common import machine_and_versions, read_result, write_result, write_section
from lissome.cli.progress import TerminalProgress
from lissome.compression.quantization.quantize import Quantize
from lissome.core.context import Context
from lissome.core.outcome import Outcome
from lissome.core.recipe import Recipe
from lissome.core.run_directory import RunDirectory
from lissome.core.settings import key_of
from lissome.data.task import Task
from lissome.exporting.export import export
from lissome.models.create import create
from lissome.models.weights import load_weights
from lissome.runtimes.artifact import Artifact, load
from lissome.timing.engine_figures import measure_on_engine
from lissome.training.optimizers import SGD
from lissome.training.train import Train
from lissome.tuning.search import search
from lissome.tuning.search_result import SearchResult
from lissome.tuning.search_run import SearchRun
from lissome.tuning.trials.limit import Limit
from lissome.tuning.trials.search_budget import SearchBudget
from lissome.tuning.trials.space import SearchSpace
from quantization_lite import _network as lite_network
from quantization_lite import _task as lite_task

NAME = "automatic"
RUNS = Path("runs", NAME)
ENGINES = ("onnxruntime", "ncnn")
PARTS = ("resnet56", "lite0", "kills")
PEER_FACTOR = 2.0
HAND = "seven_blocks"
HAND_NAME = "by hand, int8"
"""The best recipe written by hand, of `blocks_and_widths.py`."""
LIMIT = Limit(max_drop=0.01)
"""On validation images that the network knows by heart: about half a point on images that nobody has seen."""
KILLS = 10
SMALL = ["compress", "resnet20", "--data", "sample", "--on", "onnxruntime", "--max-drop", "2%", "--seed", "1"]


def main() -> None:
    """Search, train the others, and unless told otherwise time and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--engines", nargs="+", default=ENGINES)
    parser.add_argument("--minutes", type=float, default=60.0, help="budget of each search on ResNet-56")
    parser.add_argument("--epochs", type=int, default=14, help="of the recipe written by hand, and of the peer")
    parser.add_argument("--full-epochs", type=int, help="of what is found, if the minutes allow (default: --epochs)")
    parser.add_argument("--seconds", type=float, default=60.0, help="time for the final pairs on each engine")
    parser.add_argument("--trial", type=int, default=None, help="so many images of each split, to try the script")
    parser.add_argument("--trials", type=int, default=12, help="trials of the searches that are killed")
    parser.add_argument("--only-rivals", action="store_true", help="train the others of ResNet-56, and stop")
    parser.add_argument("--only-search", action="store_true", help="stop before the final timing")
    arguments = parser.parse_args()
    parts: dict[str, Any] = {}
    for name in arguments.parts:
        parts[name] = {"resnet56": resnet56, "lite0": lite0, "kills": kills}[name](arguments)
    if arguments.only_rivals or arguments.only_search or arguments.trial:
        print(json.dumps(parts, indent=1))
        return
    kept = {name: part for name, part in read_result(NAME).items() if name in PARTS}
    if "resnet56" in parts:
        parts["resnet56"] = {**kept.get("resnet56", {}), **parts["resnet56"]}
    table = {**machine_and_versions(*ENGINES, "optuna"), "seed": 0, **kept, **parts}
    write_result(NAME, table)
    write_section("automatic.md", "results", page(table))


def resnet56(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return, for each engine, the network that a search found beside the three others, timed in pairs."""
    data = Path(os.environ.get("LISSOME_DATA", "../shared/data"))
    original = create("resnet56")
    load_weights(original, data / "weights/cifar10_resnet_akamaster/resnet56-4bfd9763.th")
    task = _cut(Task.from_cifar10(data / "cifar10"), arguments.trial)
    found: dict[str, SearchResult] = {}
    with TerminalProgress() as progress:
        progress.say("== the others")
        with RunDirectory(RUNS / "others") as memory:
            context = Context(task, seed=0, original=original, progress=progress, memory=memory)
            chosen = {} if arguments.only_search else rivals(arguments.epochs)
            others = {name: one.apply(original, context) for name, one in chosen.items()}
        if arguments.only_rivals:
            return {}
        for engine in arguments.engines:
            progress.say(f"== search on {engine}")
            found[engine] = search(
                original,
                task,
                limit=LIMIT,
                on=(engine,),
                budget=SearchBudget(minutes=arguments.minutes, full_epochs=arguments.full_epochs or arguments.epochs),
                run=SearchRun(path=RUNS / f"resnet56-{engine}", name=f"resnet56-{engine}", progress=progress),
            )
            progress.say(str(found[engine]))
    if arguments.only_search:
        return {engine: one.to_dict()["final"] for engine, one in found.items()}
    return {
        engine: _measured(original, others, one, replace(context, memory=None), engine, arguments)
        for engine, one in found.items()
    }


def rivals(epochs: int) -> dict[str, Recipe]:
    """Return what the search must beat: the peer with as much fine-tuning, int8 alone, the recipe written by hand."""
    tuning = Train(epochs=epochs, teacher="original", optimizer=SGD(learning_rate=0.01))
    hand = candidates(epochs, 512)[HAND]
    return {
        "int8 alone": Recipe(Quantize()),
        "torch-pruning 2x, int8": Recipe(PeerPruning(factor=PEER_FACTOR), tuning, Quantize()),
        HAND_NAME: Recipe(*hand.steps, Quantize()),
    }


def _measured(
    original: nn.Module,
    others: Mapping[str, Outcome],
    found: SearchResult,
    context: Context,
    engine: str,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        artifacts: dict[str, Artifact] = {"found": load(found.path / "best.lissome")}
        for place, (name, one) in enumerate({"float32": original, **others}.items()):
            path = Path(folder, f"{place}.lissome")
            artifacts[name] = export(one, path, runtimes=[engine], context=context)
        figures = measure_on_engine(
            artifacts, engine, context.require_task(), baseline="float32", seconds=arguments.seconds, seed=0
        )
    rows = {
        name: {
            "accuracy": figures.accuracy[name],
            "points": 100 * (figures.accuracy[name] - figures.accuracy["float32"]),
            "latency_ms": figures.timing.latency(name).to_dict(),
            "speedup": figures.timing.speedup(name).to_dict(),
            "found_over_it": figures.timing.speedup("found", over=name).to_dict(),
            "file_kib": one.stored_kib(engine),
        }
        for name, one in artifacts.items()
    }
    return {
        "rounds": figures.timing.rounds,
        "disturbed": figures.timing.stalled,
        "trials": len(found.trials),
        "max_drop_on_validation": found.limit.max_drop,
        "minutes": found.seconds / 60,
        "verdict": found.verdict,
        "recipe": found.winner.recipe_toml.replace(f"{RUNS.resolve()}/", f"{RUNS}/"),
        "way": found.winner.way,
        "rows": rows,
    }


def lite0(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the fastest way to run EfficientNet-Lite0 that keeps 92 % agreement, against each engine's default."""
    with TerminalProgress() as progress:
        result = search(
            lite_network(),
            lite_task(arguments.trial),
            limit=Limit(max_drop=0.08),
            on=(*ENGINES, "openvino"),
            space=SearchSpace(moves=(), ways=4),
            budget=SearchBudget(trials=40, finalists=4, seconds=min(10.0, arguments.seconds)),
            run=SearchRun(path=RUNS / "lite0", name="efficientnet_lite0", labels="original", progress=progress),
        )
        progress.say(str(result))
    defaults = {
        label: ms
        for label, ms in result.survey["milliseconds"].items()
        if label in {f"{engine} float32" for engine in (*ENGINES, "openvino")}
    }
    return {
        "final": result.final,
        "way": result.winner.way,
        "verdict": result.verdict,
        "default_ms": defaults,
        "speedup_over_its_engine": result.comparison["speedup"][result.engine],
        "trials": [{"way": one.way, "numbers": dict(one.parameters), **one.figures} for one in result.trials],
        "images": result.comparison["test_images"],
    }


def kills(arguments: argparse.Namespace) -> dict[str, Any]:
    """Kill a search at random moments, resume it, and compare it with one that was left alone."""
    chance = random.Random(0)
    whole, killed = RUNS / "whole.lissome", RUNS / "killed.lissome"
    budget = ["--budget", f"{arguments.trials}t"]
    RUNS.mkdir(parents=True, exist_ok=True)
    if not whole.exists():
        subprocess.run(_command(whole, budget), check=True)
    times = Path(f"{killed}.run")
    times.mkdir(parents=True, exist_ok=True)
    for one in Path(f"{whole}.run").glob("*"):  # the same measured times, or near equals would be decided otherwise
        if one.name.startswith(("survey-", "layers-")) or one.name == "times":
            subprocess.run(["cp", "-r", str(one), str(times)], check=True)
    moments = []
    while not killed.exists():
        process = subprocess.Popen(_command(killed, budget))
        end = time.monotonic() + (chance.uniform(5, 40) if len(moments) < KILLS else float("inf"))
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            moments.append(_trials(killed))
        elif process.returncode:
            raise SystemExit(f"the resumed search failed with {process.returncode}")
    first, second = (json.loads(Path(f"{one}.run/result.json").read_text()) for one in (whole, killed))
    return {
        "kills": len(moments),
        "trials_at_each_kill": moments,
        "trials": len(first["trials"]),
        "same_trials": _essence(first["trials"]) == _essence(second["trials"]),
        "same_winner": first["winner"]["artifact_sha256"] == second["winner"]["artifact_sha256"],
    }


def _command(out: Path, budget: list[str]) -> list[str]:
    data = "from lissome.cli import main; main()"
    weights = str(Path(__file__).parents[1] / "src/lissome/data/sample/resnet20.safetensors")
    return [sys.executable, "-c", data, *SMALL, "--weights", weights, *budget, "--out", str(out), "--resume"]


def _trials(out: Path) -> int:
    return len(list(Path(f"{out}.run/trials").glob("*.json")))


def _essence(trials: list[dict[str, Any]]) -> str:
    left_out = ("started", "seconds", "training_seconds", "worker", "recipe_toml")
    return key_of([{k: v for k, v in one.items() if k not in left_out} for one in trials])


def _cut(task: Task, count: int | None) -> Task:
    if not count:
        return task
    first = np.arange(count)
    return replace(task, **{one: getattr(task, one).subset(first) for one in ("train", "validation", "test")})


def _steps(recipe: str) -> str:
    """Return the steps of a recipe in one line."""
    kinds = [
        f"{one['kind']} ({one['epochs']} epochs)" if "epochs" in one else one["kind"]
        for one in tomllib.loads(recipe)["steps"]
    ]
    runs = [(kind, len(list(same))) for kind, same in itertools.groupby(kinds)]
    return ", ".join(f"{kind}, {count} times" if count > 1 else kind for kind, count in runs)


def page(table: Mapping[str, Any]) -> str:
    """Return the results as tables for the documentation."""
    texts = []
    for engine, part in table.get("resnet56", {}).items():
        head = (
            f"ResNet-56 on CIFAR-10, {engine}, one thread, at most "
            f"{100 * part['max_drop_on_validation']:.2f} points lost on the validation images, "
            f"{part['minutes']:.0f} minutes, {part['trials']} trials, {part['rounds']} rounds: {part['verdict']}.\n\n"
            f"| {engine} | accuracy | points | file, KiB | over float32 | what was found, over it |\n"
            "|---|---|---|---|---|---|\n"
        )
        lines = []
        for name, row in part["rows"].items():
            over, found = row["speedup"], row["found_over_it"]
            lines.append(
                f"| {name} | {row['accuracy']:.2%} | {row['points']:+.2f} | {row['file_kib']:,.0f} | "
                f"{over['median']:.2f}x [{over['low']:.2f}, {over['high']:.2f}] | "
                f"{found['median']:.2f}x [{found['low']:.2f}, {found['high']:.2f}] |\n"
            )
        texts.append(f"{head}{''.join(lines)}\nWhat was found, on {part['way']}: {_steps(part['recipe'])}.\n")
    if lite := table.get("lite0"):
        speed = lite["speedup_over_its_engine"]
        ways = ", ".join(f"{name} {ms:.2f} ms" for name, ms in lite["default_ms"].items())
        texts.append(
            f"EfficientNet-Lite0 without labels, {lite['images']} images: {lite['way']} agrees with the original on "
            f"{lite['final']['accuracy']:.1%}, {lite['final']['latency_ms']:.2f} ms, {speed['ratio']:.2f}x "
            f"[{speed['low']:.2f}, {speed['high']:.2f}] its engine's default. Defaults: {ways}.\n"
        )
    if killed := table.get("kills"):
        same = (
            "the same trials and the same winner" if killed["same_trials"] and killed["same_winner"] else "a difference"
        )
        texts.append(
            f"A search of {killed['trials']} trials, killed {killed['kills']} times at random moments and resumed, "
            f"ended with {same} as one that was left alone.\n"
        )
    return "\n".join(texts)


if __name__ == "__main__":
    main()
