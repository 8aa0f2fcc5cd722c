"""Each plug-in and each loss of a small detector alone: equal budgets, several seeds, what is noise called noise.

Run from the project's root, with the data of `docs/data.md` and `pip install "lissome[detection]"`; nothing is timed,
so it may run beside other work:

    python benchmarks/detector_ablations.py                 # 25 minutes of one core
    python benchmarks/detector_ablations.py --only "FPN;PAN"

The backbone is that of the published FastestDet, which was trained on all of COCO. It stays as it is, so what it makes
of each picture is computed once; what is behind it is put together anew, with one plug-in, and learns from 128 pictures
of COCO's train2017 and their mirror images. Every cell sees the same pictures as often, with the same settings, and
keeps the last weights: nothing is chosen (the learning rate was, for the plain row, on 32 of the training pictures).
All objects are of one class, for 929 objects are too few to learn 80 classes of, and what is compared here finds
things. The figure is AP50 over the 128 pictures of val2017, read once a cell.

Seeds decide start weights and order; each row has the same seeds, so that differences are taken in pairs. Finished
cells are kept in `runs/detector_ablations`; started again, it goes on.

Writes `results/detector_ablations.json`, and from it the tables of `docs/detection.md`.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from ablated_detector import PLAIN, PLUG_INS, Backbone, NeckAndHeads
from common import cell, machine_and_versions, write_result, write_section
from detector import data_folder, published
from lissome.cli.progress import TerminalProgress
from lissome.core.context import Context
from lissome.core.preprocessing import Preprocessing
from lissome.core.progress import Progress
from lissome.core.seeded import seeded
from lissome.core.settings import key_of, settings_of
from lissome.data.split import Indices
from lissome.data.task import Task
from lissome.detection.average_precision import average_precision
from lissome.detection.box_files import Boxes, BoxFileSplit, box_file_split
from lissome.detection.box_task import MatchScore
from lissome.detection.heads.yolo import COCO_ANCHORS, YoloHead
from lissome.profiling.profile import profile
from lissome.training.optimizers import AdamW
from lissome.training.train import Train
from paired import beside, verdict

KEPT = Path("runs/detector_ablations")
CLASSES = 80
TRAINED_AT = 640
"""Pixels that COCO's anchors were found for."""
LOSSES: Mapping[str, Mapping[str, Any]] = {
    "L1": {"box": "l1"},
    "MSE": {"box": "mse"},
    "IoU": {"box": "iou"},
    "GIoU": {"box": "giou"},
    "DIoU": {"box": "diou"},
    "focal": {"objectness": "focal"},
    "hard negatives": {"objectness": "hard_negatives"},
}
"""What the head is told. The plain row has CIoU for boxes, and for objectness the cross entropy of all places."""


class Seen(BoxFileSplit):
    """Pictures as a backbone sees them: its maps take the place of the pixels.

    Args:
        paths: The pictures.
        boxes: The objects of each.
        preprocessing: What the backbone was given.
        indices: Which pictures this split holds; None takes all.
        maps: What the backbone makes of each, (N, numbers, 1, 1).
    """

    def __init__(
        self,
        paths: Sequence[Path],
        boxes: Sequence[Boxes],
        preprocessing: Preprocessing,
        indices: Indices | None = None,
        *,
        maps: Tensor,
    ) -> None:
        super().__init__(paths, boxes, preprocessing, indices)
        self._maps = maps

    def _subset(self, indices: Indices) -> Self:
        return type(self)(self._paths, self._boxes, self.preprocessing, indices, maps=self._maps)

    def _read(self, indices: Indices) -> Tensor:
        return self._maps[torch.from_numpy(indices)]


def seen(backbone: nn.Module, source: BoxFileSplit, *, mirrored: bool) -> Seen:
    """Show pictures to a backbone, and their mirror images too if asked to; all objects become of one class."""
    paths, boxes = source.paths(), [one * np.array([0, 1, 1, 1, 1], np.float32) for one in source.shares()]
    with torch.no_grad():
        maps = [backbone(images) for images, _ in source.batches(16)]
        if mirrored:
            maps += [backbone(images.flip(3)) for images, _ in source.batches(16)]
    if mirrored:
        paths *= 2
        boxes += [np.stack([one[:, 0], 1 - one[:, 3], one[:, 2], 1 - one[:, 1], one[:, 4]], 1) for one in boxes]
    return Seen(paths, boxes, source.preprocessing, maps=torch.cat(maps))


class Bench:
    """What all cells share.

    Args:
        side: Of the pictures, a multiple of 32.
        epochs: Passes over the pictures and their mirror images.
        limit: At most so many pictures of each part; None takes all.
        progress: Who watches.
    """

    def __init__(self, side: int, epochs: int, limit: int | None, progress: Progress) -> None:
        self.side, self.progress = side, progress
        self.step = Train(
            epochs=epochs,
            batch_size=16,
            optimizer=AdamW(learning_rate=1e-2),
            schedule="one_cycle",
            augmentation="none",
            precision="float32",
            keep="last",
        )
        backbone = Backbone(published()).eval()
        coco, size = data_folder() / "coco128", Preprocessing(channels=3, height=side, width=side)
        self.learnt, self.test = (
            seen(backbone, _first(folder, limit), mirrored=mirrored)
            for folder, mirrored in (
                (box_file_split(coco / "images/train2017", coco / "labels_yolo/train2017", size, CLASSES), True),
                (box_file_split(coco / "images/val2017", coco / "labels_yolo/val2017", size, CLASSES), False),
            )
        )

    def head(self, settings: Mapping[str, Any]) -> YoloHead:
        """Return the head for pictures of this size."""
        share = self.side / TRAINED_AT
        anchors = tuple(tuple((share * x, share * y) for x, y in one) for one in COCO_ANCHORS)
        return YoloHead(height=self.side, width=self.side, anchors=anchors, **settings)

    def cell(self, plug_in: str, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Return a cell that is finished, or train and count it."""
        head = self.head(settings)
        key = key_of(
            settings_of(self.step), settings_of(head), len(self.learnt), machine_and_versions()["versions"]["torch"]
        )
        title = ", ".join([plug_in, *settings.values()])
        return cell(KEPT, f"{title} {seed} {key}", lambda: self._trained(plug_in, head, seed, title))

    def _trained(self, plug_in: str, head: YoloHead, seed: int, title: str) -> dict[str, Any]:
        self.progress.say(f"== {title}, seed {seed}")
        with seeded(seed):
            network = NeckAndHeads(plug_in, self.side)
        task = Task(
            train=self.learnt,
            validation=self.learnt.subset(np.arange(1)),  # nothing is chosen
            test=self.test,
            class_names=("object",),
            preprocessing=self.learnt.preprocessing,
            loss=head.loss,
            metric=MatchScore(head=head),
        )
        outcome = self.step.apply(network, Context(task, seed=seed, progress=self.progress))
        images, _ = next(iter(self.test.batches(1)))
        cost = profile(network, images)
        return {
            "params": cost.params,
            "macs": cost.macs,
            "loss": outcome.measurements["history"][-1]["loss"],
            **average_precision(outcome.model, self.test, head).to_dict(),
        }


def _first(split: BoxFileSplit, limit: int | None) -> BoxFileSplit:
    return split if limit is None else split.subset(np.arange(limit))


def main() -> None:
    """Train each, put the figures together, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=None, help="rows, separated by semicolons; the plain row comes with them")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=30, help="passes over the pictures and their mirror images")
    parser.add_argument("--side", type=int, default=224, help="of the pictures, a multiple of 32")
    parser.add_argument("--limit", type=int, default=None, help="pictures of each part; for a trial, written nowhere")
    arguments = parser.parse_args()
    if arguments.seeds < 2:
        parser.error("--seeds must be at least 2: one run says nothing of the spread")
    rows: dict[str, tuple[str, Mapping[str, Any]]] = {name: (name, {}) for name in PLUG_INS}
    rows |= {name: (PLAIN, settings) for name, settings in LOSSES.items()}
    if arguments.only is not None:
        rows = {name: rows[name] for name in (PLAIN, *arguments.only.split(";"))}
    cells: dict[str, list[dict[str, Any]]] = {name: [] for name in rows}
    with TerminalProgress() as progress:
        bench = Bench(arguments.side, arguments.epochs, arguments.limit, progress)
        # Seed by seed, so that whenever it is stopped every row has had about as many.
        for seed in range(arguments.seeds):
            for name, (plug_in, settings) in rows.items():
                cells[name].append(bench.cell(plug_in, settings, seed))
    plain = [100 * one["ap50"] for one in cells[PLAIN]]
    result = {
        **machine_and_versions("faster-coco-eval"),
        "backbone": "FastestDet's, as published",
        "side": arguments.side,
        "pictures": len(bench.learnt),
        "test_pictures": len(bench.test),
        "test_objects": sum(len(one) for one in bench.test.shares()),
        "seeds": list(range(arguments.seeds)),
        "training": settings_of(bench.step),
        "rows": {
            name: {
                "kind": "plug-in" if name in PLUG_INS else "loss",
                "params": found[0]["params"],
                "macs": found[0]["macs"],
                "ap50": (figures := [100 * one["ap50"] for one in found]),
                "ap": [100 * one["ap"] for one in found],
                **beside(figures, plain),
            }
            for name, found in cells.items()
        },
    }
    if arguments.limit is not None:
        print(page(result))
        return
    write_result("detector_ablations", result)
    write_section("detection.md", "ablations, measured", page(result))


def page(result: dict[str, Any]) -> str:
    """Return what was compared, both tables, and how much of them is noise."""
    rows = result["rows"]
    others = {name: one for name, one in rows.items() if name != PLAIN}
    clear = [name for name, one in others.items() if verdict(one) != "within noise"]
    bound = rows[PLAIN]["bound"]
    plug_ins = {name: one for name, one in rows.items() if one["kind"] == "plug-in"}
    losses = {PLAIN: rows[PLAIN]} | {name: one for name, one in rows.items() if one["kind"] == "loss"}
    return "\n".join(
        [
            f"The published FastestDet's backbone as it is, at {result['side']}x{result['side']}; behind it a 1x1 "
            "convolution a map, the plug-in, and a light head a map that `YoloHead` reads, all trained anew for "
            f"{result['training']['epochs']} epochs of {result['pictures']} pictures (COCO's train2017, half of them "
            "mirror images), objects of all classes as one, the last weights, "
            f"{len(result['seeds'])} seeds. AP50 in percent over {result['test_pictures']} pictures of val2017 with "
            f"{result['test_objects']:,} objects; parameters and multiply-adds are of what is trained. The difference "
            "is that from the plain row of the same seeds, with its standard error; only what is beyond "
            f"{bound} standard errors (95 % of a t distribution) is called a gain or a loss, and of {len(others)} rows "
            f"about {len(others) / 20:.0f} would be beyond by chance. {_noise(others, clear)}",
            "",
            *_table("plug-in, alone", plug_ins, {PLAIN: f"{PLAIN}: nothing but the 1x1 convolutions"}),
            "",
            *_table("loss, alone", losses, {PLAIN: f"{PLAIN}: CIoU, cross entropy of all places"}),
        ]
    )


def _noise(others: dict[str, Any], clear: list[str]) -> str:
    """Say how large a difference must be here to be seen, and how many rows are."""
    least = sorted(one["bound"] * one["standard_error"] for one in others.values())
    seen_at = f"Half of the rows would have to differ by more than {least[len(least) // 2]:.1f} points to be told apart"
    if not clear:
        return f"{seen_at}, and **none does: at this size of data all rows are at the level of noise.**"
    return (
        f"{seen_at}. {len(clear)} of {len(others)} rows do ({', '.join(clear)}); the others are at the level of noise."
    )


def _table(title: str, rows: Mapping[str, dict[str, Any]], names: Mapping[str, str]) -> list[str]:
    lines = [
        f"| {title} | parameters | MACs | AP50, % | spread | difference, points | |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for name, one in rows.items():
        beside_plain = "" if name == PLAIN else f"{one['difference']:+.2f} ± {one['standard_error']:.2f}"
        lines.append(
            f"| {names.get(name, name)} | {one['params']:,} | {one['macs'] / 1e6:.1f} M | {one['mean']:.2f} "
            f"| {one['spread']:.2f} | {beside_plain} | {'' if name == PLAIN else verdict(one)} |"
        )
    return lines


if __name__ == "__main__":
    main()
    print(json.dumps({"done": True}))
