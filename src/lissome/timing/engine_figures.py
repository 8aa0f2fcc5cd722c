"""Several networks on one engine: accuracy on the test images, and the time of one image, in turn."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lissome.core.context import TaskLike
from lissome.exporting.stored_samples import stored_samples
from lissome.runtimes.accuracy import engine_accuracy
from lissome.runtimes.artifact import Artifact
from lissome.timing.device import EngineFiles, ThisMachine, TimingDevice, Turns
from lissome.timing.measure import Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFigures:
    """What was measured on one engine.

    Args:
        timing: Time of one image, all networks in turn.
        accuracy: Mean metric over the test images, by the network's name; empty where there are none.
    """

    timing: Timing
    accuracy: Mapping[str, float]


def measure_on_engine(
    artifacts: Mapping[str, Artifact],
    runtime: str,
    task: TaskLike | None,
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
        task: Test images and metric; None only times, on a sample that the first artifact was compared on.
        baseline: The network that the others are compared with.
        seconds: Time for the rounds, > 0.
        seed: Seed of the order of turns.
        device: What times them; None is this machine. They are scored here.

    Raises:
        EngineError: The engine is not installed or refuses a network.
    """
    if task is None:
        first = next(iter(artifacts.values()))
        inputs = tuple(one[:1] for one in stored_samples(first.card, first.contents).inputs)
    else:
        inputs = (next(iter(task.test.batches(1)))[0].numpy(),)
    tuned = [one.card.tuning.threads for one in artifacts.values() if one.card.tuning]
    threads = max(tuned, default=1)
    turns = Turns(baseline=baseline, threads=threads, rounds=50, seconds=seconds, seed=seed)
    with tempfile.TemporaryDirectory(prefix="lissome-") as folder:
        files = {name: EngineFiles.of(one, runtime, Path(folder, name), inputs) for name, one in artifacts.items()}
        timing = (device or ThisMachine()).time(files, turns).require()
    accuracy = {}
    if task is not None:
        for name, one in artifacts.items():
            session = one.session(runtime, threads=threads)
            accuracy[name] = engine_accuracy(session, task.test, task.metric)
    return EngineFigures(timing=timing, accuracy=accuracy)
