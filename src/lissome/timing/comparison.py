"""Before and after, on the engines that will run it: accuracy on the test images, time in pairs, size, proof."""

import os
import platform
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from lissome.artifacts.archive import update_measurements
from lissome.core.context import Context
from lissome.core.outcome import Outcome
from lissome.core.text_table import render
from lissome.exporting.export import export
from lissome.layers.fake_quantize import without_quantization
from lissome.profiling.profile import Profile, profile
from lissome.runtimes.artifact import Artifact, read_artifact
from lissome.timing.device import ThisMachine, TimingDevice
from lissome.timing.engine_figures import EngineFigures, measure_on_engine
from lissome.timing.machine import describe_machine
from lissome.timing.measure import Latency
from lissome.timing.statistics import Interval

_BEFORE, _AFTER = "original", "compressed"
_UNJUDGED = "accuracy was not measured, since there are no data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two networks, as it runs on each engine.

    Args:
        cost: Parameters, MACs and bytes, layer by layer.
        engine_file_kib: Size of each engine's files.
        precision: What each engine computes in.
        accuracy: Mean metric over the test images, computed by each engine, in [0, 1]; empty where there are none.
        latency: Time of one image on each engine.
    """

    cost: Profile
    engine_file_kib: Mapping[str, float]
    precision: Mapping[str, str]
    accuracy: Mapping[str, float]
    latency: Mapping[str, Latency]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON values; `file_kib` is the size for the first engine."""
        return {
            "params": self.cost.params,
            "macs": self.cost.macs,
            "file_kib": next(iter(self.engine_file_kib.values())),
            "engine_file_kib": dict(self.engine_file_kib),
            "precision": dict(self.precision),
            "accuracy": dict(self.accuracy),
            "latency_ms": {name: one.median_ms for name, one in self.latency.items()},
            "latency_ms_min": {name: one.min_ms for name, one in self.latency.items()},
            "latency_ms_max": {name: one.max_ms for name, one in self.latency.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was gained and lost, measured on each engine.

    Args:
        name: The network.
        original: The network before.
        compressed: The network after.
        speedup: How many times quicker one image is on each engine, by pairs, with the 95 % interval.
        rounds: Pairs timed on each engine.
        parity: Comparison of each engine's files with their source network, for both sides.
        test_images: Images that the accuracy is of; 0 where there are none.
        outcome: The receipt of the recipe.
        recipe_toml: The recipe, or None where a text cannot hold it.
        seconds: How long each stage took.
        versions: Versions of what was used.
        seed: Whence all randomness came.
        warnings: What a reader must know before the figures.
        reproduce: Commands that repeat it.
    """

    name: str
    original: Side
    compressed: Side
    speedup: Mapping[str, Interval]
    rounds: Mapping[str, int]
    parity: Mapping[str, Any]
    test_images: int
    outcome: Outcome
    recipe_toml: str | None
    seconds: Mapping[str, float]
    versions: Mapping[str, str]
    seed: int
    warnings: tuple[str, ...] = ()
    reproduce: tuple[str, ...] = ()
    machine: Mapping[str, Any] = field(default_factory=describe_machine)

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain JSON values."""
        return {
            "name": self.name,
            "seed": self.seed,
            "seconds": sum(self.seconds.values()),
            "stage_seconds": dict(self.seconds),
            "versions": dict(self.versions),
            "machine": dict(self.machine),
            "test_images": self.test_images,
            _BEFORE: self.original.to_dict(),
            _AFTER: self.compressed.to_dict(),
            "speedup": {
                name: {"ratio": one.median, "low": one.low, "high": one.high, "rounds": self.rounds[name]}
                for name, one in self.speedup.items()
            },
            "parity": dict(self.parity),
            "profile_original": self.original.cost.to_dict(),
            "profile_compressed": self.compressed.cost.to_dict(),
            "outcome": self.outcome.to_dict(),
            "recipe_toml": self.recipe_toml,
            "warnings": list(self.warnings),
            "reproduce": list(self.reproduce),
        }

    def __str__(self) -> str:
        before, after = self.original, self.compressed
        rows = [
            (
                "parameters",
                f"{before.cost.params:,}",
                f"{after.cost.params:,}",
                _factor(before.cost.params, after.cost.params),
            ),
            ("MACs", f"{before.cost.macs:,}", f"{after.cost.macs:,}", _factor(before.cost.macs, after.cost.macs)),
        ]
        for engine, interval in self.speedup.items():
            sizes = before.engine_file_kib[engine], after.engine_file_kib[engine]
            scores = before.accuracy.get(engine), after.accuracy.get(engine)
            times = before.latency[engine].median_ms, after.latency[engine].median_ms
            precisions = f"{before.precision[engine]} → {after.precision[engine]}"
            rows += [
                (f"{engine} ({precisions})", "", "", ""),
                ("  file, KiB", f"{sizes[0]:,.1f}", f"{sizes[1]:,.1f}", _factor(*sizes)),
                *_accuracy_row(*scores),
                (
                    "  median ms",
                    f"{times[0]:.3f}",
                    f"{times[1]:.3f}",
                    f"{interval.median:.2f}x [{interval.low:.2f}, {interval.high:.2f}]",
                ),
            ]
        judged = f"accuracy on {self.test_images:,} test images" if self.test_images else "no accuracy"
        title = f"{self.name}: {judged}, time of one image in pairs, 1 thread"
        table = render(("", "before", "after", "gain"), rows, title=title)
        return "\n".join([table, *(f"note: {one}" for one in self.warnings)])


def compare_on_engines(  # noqa: PLR0913 – what is compared, on what
    original: nn.Module,
    outcome: Outcome,
    path: str | os.PathLike[str] | Artifact,
    *,
    runtimes: Sequence[str] = ("onnxruntime", "ncnn"),
    name: str = "network",
    seconds: float = 8.0,
    reproduce: Sequence[str] = (),
    device: TimingDevice | None = None,
) -> tuple[Comparison, Artifact]:
    """Export a network before and after, prove both, and measure them on the engines, in pairs.

    The compressed network is written to `path` as an artifact, with the measurements in its card. The test images are
    read here, once.

    Args:
        original: The network before.
        outcome: The network after, with the context it was made in; without a task no accuracy is measured.
        path: The artifact to write, or one that was written of the outcome already, which runs as it was tuned.
        runtimes: Engines to export to and measure on.
        name: The network's name.
        seconds: Time for the pairs on each engine, > 0.
        reproduce: Commands that repeat it, for the reader.
        device: What times them; None is this machine. They are scored here.

    Raises:
        SettingError: The context has neither a task nor an example input.
        EngineError: An engine is not installed, refuses the network, or computes something else.
    """
    context = outcome.context or Context()
    task = context.task
    stages = {"compress": outcome.seconds}
    with tempfile.TemporaryDirectory(prefix="lissome-") as folder, _stage(stages, "export"):
        before = export(original, Path(folder, "original.lissome"), runtimes=runtimes, context=context)
        after = path if isinstance(path, Artifact) else export(outcome, path, runtimes=runtimes, context=context)
    artifacts = {_BEFORE: before, _AFTER: after}
    figures: dict[str, EngineFigures] = {}
    for runtime in runtimes:
        context.progress.say(f"measuring on {runtime}")
        with _stage(stages, "measure"):
            figures[runtime] = measure_on_engine(
                artifacts, runtime, task, baseline=_BEFORE, seconds=seconds, seed=context.seed, device=device
            )
    speedup = {runtime: one.timing.speedup(_AFTER) for runtime, one in figures.items()}
    comparison = Comparison(
        name=name,
        original=_side(original, before, context, figures, _BEFORE),
        compressed=_side(outcome.model, after, context, figures, _AFTER),
        speedup=speedup,
        rounds={runtime: one.timing.rounds for runtime, one in figures.items()},
        parity={one: {side: artifacts[side].card.engines[one].parity for side in artifacts} for one in runtimes},
        test_images=len(task.test) if task else 0,
        outcome=outcome,
        recipe_toml=after.card.recipe_toml,
        seconds=stages,
        versions=_versions(after),
        seed=context.seed,
        warnings=(*_warnings(after, speedup), *(() if task else (_UNJUDGED,))),
        reproduce=tuple(reproduce),
        machine=(device or ThisMachine()).facts(runtimes).machine,
    )
    table = comparison.to_dict()
    kept = (_BEFORE, _AFTER, "speedup", "test_images", "machine")
    update_measurements(after.path, {name: table[name] for name in kept})
    return comparison, read_artifact(after.path)


@contextmanager
def _stage(stages: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    stages[name] = stages.get(name, 0.0) + time.perf_counter() - started


def _side(
    model: nn.Module, artifact: Artifact, context: Context, figures: Mapping[str, EngineFigures], side: str
) -> Side:
    return Side(
        # Quantizers are no layers of their own on an engine that computes in integers.
        cost=profile(without_quantization(model), tuple(one[:1] for one in context.example_inputs())),
        engine_file_kib={one: artifact.size_kib(one) for one in artifact.runtimes},
        precision={one: entry.precision for one, entry in artifact.card.engines.items()},
        accuracy={runtime: one.accuracy[side] for runtime, one in figures.items() if one.accuracy},
        latency={runtime: one.timing.latency(side) for runtime, one in figures.items()},
    )


def _accuracy_row(before: float | None, after: float | None) -> list[tuple[str, str, str, str]]:
    if before is None or after is None:
        return []
    return [("  accuracy", f"{before:.2%}", f"{after:.2%}", f"{100 * (after - before):+.2f} points")]


def _warnings(artifact: Artifact, speedup: Mapping[str, Interval]) -> Iterator[str]:
    for engine, entry in artifact.card.engines.items():
        if entry.note:
            yield f"{engine}: {entry.note}"
    for engine, interval in speedup.items():
        if interval.low <= 1.0:
            yield f"{engine}: not measurably faster ({interval.median:.2f}x [{interval.low:.2f}, {interval.high:.2f}])"


def _versions(artifact: Artifact) -> dict[str, str]:
    engines = {name: entry.version for name, entry in artifact.card.engines.items()}
    return {**artifact.card.versions, **engines, "python": platform.python_version()}


def _factor(before: float, after: float) -> str:
    return f"{before / after:.2f}x smaller" if after else ""
