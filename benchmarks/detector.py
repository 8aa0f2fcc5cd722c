"""FastestDet compressed: average precision and latency on the engines, and pictures of what it sees before and after.

Run from the project's root, with the data of `docs/data.md` and `pip install "lissome[detection]"`:

    python benchmarks/detector.py --only-accuracy     # a quarter of an hour; may run beside other work
    python benchmarks/detector.py                     # adds the times (two minutes); run it alone

The published weights are exported as they are, in integers, with 30 % fewer multiply-adds (whole channels, the layers
that read them fitted by least squares), and that fine-tuned on the 103 pictures of coco128's train2017 that are not
held out. Which integer recipe is taken is decided by AP50 on the engine over the 128 pictures of train2017, 25 of
them held out of training; every figure of the table is of the 128 pictures of val2017, counted on the engine, once.
The epoch of fine-tuning is chosen on the 25 pictures held out.

A hundred pictures cannot give back what 118,000 taught: the pruned network's figure says what is lost by pruning
without the original data. Finished parts are kept in `runs/detector`; started again, it goes on from there. The
pictures in `runs/detector/*.html` are not published, since each is under its own licence.

Writes `results/detector.json` and the table of `docs/detection.md`.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from common import machine_and_versions, write_result, write_section
from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.quantization.calibrators import MeanSquaredError
from lissome.compression.quantization.quantize import Quantize
from lissome.core.context import Context
from lissome.core.files import write_text
from lissome.core.recipe import Recipe
from lissome.core.run_directory import RunDirectory
from lissome.core.step import Step
from lissome.data.task import Task
from lissome.detection.average_precision import average_precision
from lissome.detection.box_files import BoxFileSplit, box_file_split
from lissome.detection.box_task import coco128_task
from lissome.detection.compare_detectors import compare_detectors
from lissome.detection.heads import FastestDetHead
from lissome.exporting.export import export
from lissome.models.fastestdet import FastestDet, take_rgb
from lissome.models.weights import load_weights
from lissome.reports.report import report
from lissome.runtimes.artifact import Artifact, load
from lissome.timing.pinned import pinned
from lissome.timing.sessions import measure_sessions
from lissome.training.optimizers import AdamW
from lissome.training.train import Train
from lissome.training.transfers import FeatureHints

SEED = 0
BAR = 1.5
"""Points of AP50 that integers may cost."""
HEADS = ("objectness.*", "box.*", "category.*")
ANSWERS = ("objectness.1.norm", "box.1.norm", "category.1.norm")
"""Layers whose maps are the heads' answers, before they are squashed."""
INTEGERS: dict[str, Step] = {
    "min-max": Quantize(),
    "least squares, heads float": Quantize(calibrator=MeanSquaredError(), skip=HEADS),
}
FLOAT_ENGINES = ("onnxruntime", "ncnn", "openvino")
BASELINE = "float32, onnxruntime"


def data_folder() -> Path:
    """Return where the data sets are."""
    return Path(os.environ.get("LISSOME_DATA") or Path("..", "shared", "data"))


def published() -> nn.Module:
    """Return FastestDet with its published weights, for RGB pictures."""
    model = FastestDet()
    load_weights(model, data_folder() / "weights" / "det_fastestdet" / "fastestdet_ap0.2532.pth")
    return take_rgb(model).eval()


class Bench:
    """What all parts share.

    Args:
        folder: Where finished parts are kept.
        limit: At most so many pictures; None takes all.
        epochs: Of fine-tuning.
        run: Keeps finished steps.
    """

    def __init__(self, folder: Path, limit: int | None, epochs: int, run: RunDirectory) -> None:
        self.folder, self.limit, self.epochs = folder, limit, epochs
        self.head = FastestDetHead()
        self.task: Task = coco128_task(self.head)
        coco = data_folder() / "coco128"
        self.learnt: BoxFileSplit = box_file_split(
            coco / "images/train2017", coco / "labels_yolo/train2017", self.task.preprocessing, self.task.classes
        )
        self.context = Context(self.task, seed=SEED, memory=run, original=published())
        folder.mkdir(parents=True, exist_ok=True)

    def kept(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what is finished, or make and keep it."""
        path = self.folder / f"{name}.json"
        if path.is_file():
            done: dict[str, Any] = json.loads(path.read_text())
            return done
        made = make()
        write_text(path, json.dumps(made, indent=1))
        return made

    def precision(self, artifact: Artifact, engine: str, split: BoxFileSplit) -> dict[str, Any]:
        """Count average precision on an engine."""
        return average_precision(artifact.session(engine), split, self.head, limit=self.limit).to_dict()

    def floats(self, name: str, steps: tuple[Step, ...], engines: tuple[str, ...]) -> dict[str, Any]:
        """Export a float network and count on each engine."""
        source = Recipe(*steps).apply(published(), self.context) if steps else published()
        artifact = export(source, self.folder / f"{name}.lissome", runtimes=engines, context=self.context)
        return self.figures(artifact, engines) | {"engines": list(engines)}

    def integers(self, name: str, before: tuple[Step, ...]) -> dict[str, Any]:
        """Export every integer recipe, choose by the pictures learnt from, count the chosen one on the others."""
        tried: dict[str, float] = {}
        artifacts: dict[str, Artifact] = {}
        for title, step in INTEGERS.items():
            outcome = Recipe(*before, step).apply(published(), self.context)
            path = self.folder / f"{name}_{len(tried)}.lissome"
            artifacts[title] = export(outcome, path, runtimes=["onnxruntime"])
            tried[title] = self.precision(artifacts[title], "onnxruntime", self.learnt)["ap50"]
        chosen = max(tried, key=tried.__getitem__)
        (self.folder / f"{name}.lissome").write_bytes(artifacts[chosen].path.read_bytes())
        figures = self.figures(artifacts[chosen], ("onnxruntime",))
        return figures | {"engines": ["onnxruntime"], "recipe": chosen, "ap50_learnt": tried}

    def figures(self, artifact: Artifact, engines: tuple[str, ...]) -> dict[str, Any]:
        """Return size, cost, and average precision on each engine."""
        test = self.task.test
        assert isinstance(test, BoxFileSplit)
        return {
            "params": artifact.card.params,
            "macs": artifact.card.macs,
            "file_kib": {engine: artifact.size_kib(engine) for engine in engines},
            "precision": {engine: self.precision(artifact, engine, test) for engine in engines},
        }

    def parts(self) -> dict[str, dict[str, Any]]:
        """Return all parts, making those that are not finished."""
        prune = PruneChannels(keep=0.7, objective="macs", reconstruct=64)
        tune = Train(epochs=self.epochs, batch_size=16, optimizer=AdamW(learning_rate=1e-3), augmentation="none")
        # What the original answers is known for every picture and every crop of it, labels for 103 pictures only.
        taught = Train(
            epochs=4 * self.epochs,
            batch_size=16,
            optimizer=AdamW(learning_rate=2e-3),
            teacher="original",
            transfers=(FeatureHints(layers={one: one for one in ANSWERS}),),
        )
        makers: dict[str, Callable[[], dict[str, Any]]] = {
            "float32": lambda: self.floats("float32", (), FLOAT_ENGINES),
            "int8": lambda: self.integers("int8", ()),
            "pruned": lambda: self.floats("pruned", (prune,), ("onnxruntime",)),
            "pruned, tuned": lambda: self.floats("pruned, tuned", (prune, tune), ("onnxruntime", "ncnn")),
            "pruned, taught": lambda: self.floats("pruned, taught", (prune, taught), ("onnxruntime", "ncnn")),
            "pruned, taught, int8": lambda: self.integers("pruned, taught, int8", (prune, taught)),
        }
        return {name: self.kept(name, make) for name, make in makers.items()}

    def times(self, parts: dict[str, dict[str, Any]], seconds: float) -> dict[str, Any]:
        """Time every part on every engine against float32 on onnxruntime, turn by turn, one thread."""
        with pinned(1):
            sessions = {
                f"{name}, {engine}": load(self.folder / f"{name}.lissome").session(engine, threads=1)
                for name, part in parts.items()
                for engine in part["engines"]
            }
            image = self.context.example_inputs()[0].numpy()
            timing = measure_sessions(sessions, image, baseline=BASELINE, rounds=50, seconds=seconds, seed=SEED)
        return {
            name: {"latency_ms": timing.latency(name).to_dict()}
            | ({} if name == BASELINE else {"speedup": timing.speedup(name, over=BASELINE).to_dict()})
            for name in sessions
        }

    def show(self) -> None:
        """Write pages with pictures of what is seen before and after."""
        test = self.task.test
        assert isinstance(test, BoxFileSplit)
        first = load(self.folder / "float32.lissome").session("onnxruntime")
        for name in ("int8", "pruned, taught"):
            second = load(self.folder / f"{name}.lissome").session("onnxruntime")
            found = compare_detectors(
                first, second, test, self.head, class_names=self.task.class_names, names=("float32", name), pictures=12
            )
            report(self.folder / f"{name}.html", found)


def table(result: dict[str, Any]) -> str:
    """Return the results as a Markdown table."""
    base = result["parts"]["float32"]["precision"]["onnxruntime"]["ap50"]
    lines = [
        f"FastestDet at 352x352, 128 pictures of COCO's val2017, {result['machine']['cpu']}, one thread. Speed is "
        "against float32 on onnxruntime, pair by pair.",
        "",
        "| network | engine | AP50 | points | AP | KiB | ms | speed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, part in result["parts"].items():
        for engine in part["engines"]:
            one = part["precision"][engine]
            time = result.get("times", {}).get(f"{name}, {engine}", {})
            spent = f"{time['latency_ms']['median_ms']:.2f}" if time else "–"
            speed = f"{time['speedup']['median']:.2f}x" if "speedup" in time else "–"
            lines.append(
                f"| {name} | {engine} | {one['ap50']:.3f} | {100 * (one['ap50'] - base):+.1f} | {one['ap']:.3f} "
                f"| {part['file_kib'][engine]:.0f} | {spent} | {speed} |"
            )
    lost = 100 * (base - result["parts"]["int8"]["precision"]["onnxruntime"]["ap50"])
    pruned = result["parts"]["pruned"]
    share = 1 - pruned["macs"] / result["parts"]["float32"]["macs"]
    lines += [
        "",
        f"Integers ({result['parts']['int8']['recipe']}; chosen on other pictures) cost {lost:.1f} points of AP50; "
        f"the bar is {BAR}. Pruned are {share:.0%} of the multiply-adds; fine-tuning took {result['epochs']} epochs of "
        f"103 pictures with their labels, or {4 * result['epochs']} of the same, scaled and mirrored, with the answers "
        "of the original beside the labels.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Make what is missing, time, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only-accuracy", action="store_true", help="leave the times out; may run beside other work")
    parser.add_argument("--seconds", type=float, default=90.0, help="time for all rounds")
    parser.add_argument("--epochs", type=int, default=40, help="of fine-tuning")
    parser.add_argument("--limit", type=int, default=None, help="pictures to count on; for a trial, written nowhere")
    arguments = parser.parse_args()
    trial = arguments.limit is not None
    folder = Path(tempfile.mkdtemp()) if trial else Path("runs/detector")
    with RunDirectory(folder / "steps") as run:
        bench = Bench(folder, arguments.limit, arguments.epochs, run)
        parts = bench.parts()
        times = {} if arguments.only_accuracy else bench.times(parts, arguments.seconds)
        if not trial:
            bench.show()
    result = {
        **machine_and_versions("onnxruntime", "ncnn", "openvino", "faster-coco-eval"),
        "seed": SEED,
        "bar_points": BAR,
        "epochs": arguments.epochs,
        "parts": parts,
        **({"times": times} if times else {}),
    }
    if trial:
        print(table(result))
        return
    if arguments.only_accuracy:
        return
    write_result("detector", result)
    write_section("detection.md", "detector, measured", table(result))


if __name__ == "__main__":
    main()
