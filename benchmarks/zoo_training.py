"""One network of each light family on CIFAR-10, all with the same budget and settings.

A demonstration, not a ranking: nothing is tuned, and a few epochs favour what learns fast. Widths are such that an
epoch takes minutes on a CPU; MACs differ, and the table has them. The test images are read once, for the final figure.
"""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lissome.core.context import Context
from lissome.core.errors import SettingError
from lissome.core.progress import Progress
from lissome.core.recipe import Recipe
from lissome.core.run_directory import RunDirectory
from lissome.data.task import Task
from lissome.models.create import create
from lissome.profiling.profile import profile
from lissome.training.evaluate import evaluate
from lissome.training.train import Train

SEED = 0
FAMILIES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "resnet (for comparison)": ("resnet20", {}),
    "squeezenet": ("squeezenet1_1", {"small_input": True}),
    "mobilenet v1": ("mobilenet_v1", {"small_input": True, "width": 0.5}),
    "mobilenet v2": ("mobilenet_v2", {"small_input": True, "width": 0.5}),
    "mobilenet v3": ("mobilenet_v3_small", {"small_input": True}),
    "shufflenet v1": ("shufflenet_v1_g3", {"small_input": True, "width": 0.5}),
    "shufflenet v2": ("shufflenet_v2_x0_5", {"small_input": True}),
    "igcv3": ("igcv3_d", {"small_input": True, "width": 0.5}),
    "ghostnet": ("ghostnet", {"small_input": True}),
    "mnasnet": ("mnasnet", {"small_input": True, "width": 0.5}),
    "efficientnet-lite": ("efficientnet_lite0", {"small_input": True, "width": 0.5}),
    "densenet": ("densenet40_bc", {}),
    "repvgg": ("repvgg_a0", {"small_input": True, "width": 0.25}),
    "mlperf tiny": ("mlperf_tiny_resnet8", {}),
}
"""What is trained of each family, and how it is built."""


def train_families(images: int, epochs: int, names: list[str] | None, progress: Progress) -> dict[str, Any]:
    """Train each family's network and return accuracy and cost; finished trainings are kept in `runs/zoo_training`.

    Args:
        images: Training images, the same for all.
        epochs: Passes over them.
        names: Some families only; None takes all.
        progress: Who watches.

    Raises:
        SettingError: There are not so many images, or no such family.
    """
    unknown = sorted(set(names or ()) - set(FAMILIES))
    if unknown:
        raise SettingError(f"no family is called {unknown[0]!r}", fix=f"choose of {', '.join(FAMILIES)}")
    task = Task.from_cifar10(Path(os.environ.get("LISSOME_DATA", "../shared/data")) / "cifar10", seed=SEED)
    if not 1 <= images <= len(task.train):
        raise SettingError(f"images is {images}", fix=f"choose 1 to {len(task.train)}")
    task = dataclasses.replace(task, train=task.train.subset(np.arange(images)))
    # SqueezeNet has no normalisation and diverges at the default rate; a clipped gradient is the same help for all.
    recipe = Recipe(Train(epochs=epochs, gradient_clip=1.0))
    rows: dict[str, Any] = {}
    with RunDirectory("runs/zoo_training") as run:
        context = Context(task, seed=SEED, progress=progress, memory=run)
        for family in names or FAMILIES:
            name, settings = FAMILIES[family]
            progress.say(f"== {family}: {name} {settings}")
            model = create(name, classes=10, seed=SEED, **settings)
            cost = profile(model, (1, 3, 32, 32))
            outcome = recipe.apply(model, context)
            (trained,) = outcome.walk()
            rows[family] = {
                "network": name,
                "settings": settings,
                "params": cost.params,
                "macs": cost.macs,
                "test_accuracy": evaluate(outcome.model, task.test, task.metric),
                "training": dict(trained.measurements),
            }
    return {"images": images, "epochs": epochs, "test_images": len(task.test), "seed": SEED, "families": rows}
