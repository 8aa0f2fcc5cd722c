"""Several networks on one engine: accuracy on the test images, and the time of one image, in turn."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lissome.core.context import TaskLike
from lissome.runtimes.artifact import Artifact
from lissome.timing.device import EngineFiles, ThisMachine, TimingDevice, Turns
from lissome.timing.measure import Timing
from lissome.timing.sessions import engine_accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFigures:
    """What was measured on one engine.

    Args:
        timing: Time of one image, all networks in turn.
        accuracy: Mean metric over the test images, by the network's name.
    """

    timing: Timing
    accuracy: Mapping[str, float]


def measure_on_engine(
    artifacts: Mapping[str, Artifact],
    runtime: str,
    task: TaskLike,
    *,
    baseline: str,
    seconds: float,
    seed: int,
    device: TimingDevice | None = None,
) -> EngineFigures:
    """Time and score networks on one engine. The test images are read here.

    Threads are as many as an artifact was tuned for, else one.

    Args:
        artifacts: The networks by name.
        runtime: The engine.
        task: Test images and metric.
        baseline: The network that the others are compared with.
        seconds: Time for the rounds, > 0.
        seed: Seed of the order of turns.
        device: What times them; None is this machine. They are scored here.

    Raises:
        EngineError: The engine is not installed or refuses a network.
    """
    images, _ = next(iter(task.test.batches(1)))
    tuned = [one.card.tuning.threads for one in artifacts.values() if one.card.tuning]
    threads = max(tuned, default=1)
    turns = Turns(baseline=baseline, threads=threads, rounds=50, seconds=seconds, seed=seed)
    with tempfile.TemporaryDirectory(prefix="lissome-") as folder:
        files = {
            name: EngineFiles.of(one, runtime, Path(folder, name), (images.numpy(),)) for name, one in artifacts.items()
        }
        timing = (device or ThisMachine()).time(files, turns).require()
    accuracy = {
        name: engine_accuracy(one.session(runtime, threads=threads), task.test, task.metric)
        for name, one in artifacts.items()
    }
    return EngineFigures(timing=timing, accuracy=accuracy)
