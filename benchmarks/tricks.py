"""Each training trick alone: augmentations and losses on a light network, equal budgets, three seeds.

Run from the project's root, with the data of `docs/data.md`; nothing is timed, so it may run beside other work:

    python benchmarks/tricks.py
    python benchmarks/tricks.py --only mix_up,focal

MLPerf Tiny's ResNet-8 learns from a few training images of CIFAR-10, each time for the same number of images seen,
with the last weights kept: no choice is made. Every run differs from the plain one (crop and mirror, cross entropy) in
one trick alone. Seeds decide start weights, order and draws; each trick has the same seeds, so that differences are
taken in pairs. Finished runs are kept in `runs/tricks`; started again, it goes on. The 10,000 test images are read once
a run. The teacher is the ResNet-20 that ships with the package, which was trained on all 50,000 training images.

Writes `results/tricks.json`, and from it the tables of `docs/tricks.md`.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from common import machine_and_versions, write_result, write_section
from lissome import augmentations as change
from lissome import losses
from lissome.cli.progress import TerminalProgress
from lissome.core.context import Context
from lissome.core.files import write_text
from lissome.core.progress import Progress
from lissome.core.settings import key_of, settings_of
from lissome.data.embedded_sample import sample
from lissome.data.task import Task
from lissome.models.create import create
from lissome.models.weights import load_weights
from lissome.training.evaluate import evaluate
from lissome.training.optimizers import SGD
from lissome.training.train import Train
from paired import beside, verdict

KEPT = Path("runs/tricks")
NETWORK, TEACHER = "mlperf_tiny_resnet8", "resnet20"
PLAIN = "plain"
CROP_FLIP = change.CropFlip()
TRICKS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "no_augmentation": {"augmentation": "none"},
    "brightness": {"augmentation": change.Brightness()},
    "contrast": {"augmentation": change.Contrast()},
    "saturation": {"augmentation": change.Saturation()},
    "hue": {"augmentation": change.Hue()},
    "noise": {"augmentation": change.Noise(strength=0.05)},
    "scale": {"augmentation": change.Scale()},
    "crop": {"augmentation": change.Crop()},
    "rotate": {"augmentation": change.Rotate()},
    "random_erasing": {"augmentation": change.RandomErasing()},
    "cutout": {"augmentation": change.Cutout()},
    "hide_and_seek": {"augmentation": change.HideAndSeek()},
    "grid_mask": {"augmentation": change.GridMask()},
    "mix_up": {"augmentation": change.MixUp()},
    "cut_mix": {"augmentation": change.CutMix(chance=0.5)},
    "mosaic": {"augmentation": change.Mosaic()},
    "fourier_mix": {"augmentation": change.FourierMix()},
    "label_smoothing": {"loss": losses.CrossEntropy(smoothing=0.1)},
    "focal": {"loss": losses.Focal()},
    "hard_examples": {"loss": losses.HardExamples()},
    "refined_labels": {"loss": losses.RefinedLabels(), "teacher": "original"},
    "distillation": {"teacher": "original"},
}
"""What differs from the plain run; a lone augmentation comes behind crop and mirror."""


def main() -> None:
    """Train each, put the figures together, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=None, help="tricks, separated by commas; the plain run comes with them")
    parser.add_argument("--images", type=int, default=2500, help="training images")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trial", type=Path, default=None, help="write results into this folder instead, no page")
    arguments = parser.parse_args()
    if arguments.seeds < 2:
        parser.error("--seeds must be at least 2: one run says nothing of the spread")
    names = list(TRICKS) if arguments.only is None else [PLAIN, *arguments.only.split(",")]
    data = Path(os.environ.get("LISSOME_DATA", "../shared/data"))
    task = Task.from_cifar10(data / "cifar10")
    few = Task(
        train=task.train.subset(np.arange(arguments.images)),
        validation=task.validation.subset(np.arange(1)),  # nothing is chosen
        test=task.test,
        class_names=task.class_names,
        preprocessing=task.preprocessing,
    )
    teacher = create(TEACHER)
    load_weights(teacher, sample().weights_path)
    rows: dict[str, list[float]] = {}
    with TerminalProgress() as progress:
        # Seed by seed, so that whenever it is stopped every trick has had about as many.
        for seed in range(arguments.seeds):
            for name in names:
                context = Context(few, seed=seed, original=teacher, progress=progress)
                rows.setdefault(name, []).append(top1(name, arguments.epochs, context, progress))
    result = {
        **machine_and_versions(),
        "network": NETWORK,
        "teacher": TEACHER,
        "images": arguments.images,
        "epochs": arguments.epochs,
        "seeds": list(range(arguments.seeds)),
        "test_images": len(task.test),
        "settings": {name: settings_of(step_of(name, arguments.epochs)) for name in names},
        "tricks": {name: {"top1": figures, **beside(figures, rows[PLAIN])} for name, figures in rows.items()},
    }
    if arguments.trial:
        write_text(arguments.trial / "tricks.json", json.dumps(result, indent=1) + "\n")
        return
    write_result("tricks", result)
    write_section("tricks.md", "results", page(result))


def step_of(name: str, epochs: int) -> Train:
    """Return the training with one trick."""
    settings = dict(TRICKS[name])
    alone = settings.get("augmentation", "auto")
    if isinstance(alone, change.Augmentation):
        settings["augmentation"] = change.Policy(augmentations=(CROP_FLIP, alone))
    elif alone == "auto":
        settings["augmentation"] = CROP_FLIP
    return Train(epochs=epochs, optimizer=SGD(learning_rate=0.1), schedule="one_cycle", keep="last", **settings)


def top1(name: str, epochs: int, context: Context, progress: Progress) -> float:
    """Train, or recall what was trained; return the accuracy on the test images, percent."""
    task = context.require_task()
    step = step_of(name, epochs)
    key = key_of(settings_of(step), len(task.train), context.seed, NETWORK, machine_and_versions()["versions"]["torch"])
    path = KEPT / f"{name}-{context.seed}-{key}.json"
    if not path.is_file():
        progress.say(f"== {name}, seed {context.seed}")
        outcome = step.apply(create(NETWORK, seed=context.seed), context)
        KEPT.mkdir(parents=True, exist_ok=True)
        figure = 100 * evaluate(outcome.model, task.test, task.metric)
        write_text(path, json.dumps({"top1": figure, "loss": outcome.measurements["history"][-1]["loss"]}))
    return float(json.loads(path.read_text(encoding="utf-8"))["top1"])


def page(result: dict[str, Any]) -> str:
    """Return the table."""
    rows = [
        f"| `{name}` | {one['mean']:.2f} | {one['spread']:.2f} | "
        + ("" if name == PLAIN else f"{one['difference']:+.2f} ± {one['standard_error']:.2f}")
        + f" | {'' if name == PLAIN else verdict(one)} |"
        for name, one in result["tricks"].items()
    ]
    return "\n".join(
        [
            f"{result['network']}, {result['images']:,} training images of CIFAR-10, {result['epochs']} epochs, the "
            f"last weights, seeds {', '.join(map(str, result['seeds']))}; accuracy on {result['test_images']:,} test "
            "images. The difference is that from the plain run of the same seed, with its standard error; only what "
            f"is beyond {result['tricks'][PLAIN]['bound']} standard errors (95 % of a t distribution) is called a gain "
            f"or a loss. The teacher, {result['teacher']}, was trained on all 50,000 training images.",
            "",
            "| trick, alone | top-1, % | spread | difference, points | |",
            "|---|---:|---:|---:|---|",
            *rows,
        ]
    )


if __name__ == "__main__":
    main()
    print(json.dumps({"done": True}))
