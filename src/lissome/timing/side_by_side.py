"""Two networks beside each other: what each costs, and the ratios, as factor and as percent."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from torch import Tensor, nn

from lissome.core.context import TaskLike
from lissome.core.errors import SettingError, ShapeError
from lissome.core.outcome import Outcome
from lissome.core.text_table import render
from lissome.data.metrics import top1_correct, top5_correct
from lissome.layers.fake_quantize import QuantizedConv2d, QuantizedLinear, without_quantization
from lissome.profiling.profile import profile
from lissome.runtimes.accuracy import Runs, engine_accuracy
from lissome.runtimes.artifact import Artifact
from lissome.timing.loaded import load_proved
from lissome.timing.pinned import pinned
from lissome.timing.sessions import measure_sessions
from lissome.timing.source_graph import input_noise
from lissome.timing.statistics import Interval
from lissome.training.evaluate import evaluate

Network = nn.Module | Outcome | Artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One figure of both networks.

    Args:
        name: What it is, with the unit.
        first: Of the first network; None where it is not known.
        second: Of the second network.
        is_score: Whether more is better, and the difference is told in points.
        speedup: For a measured time, the ratio by pairs with its interval.
    """

    name: str
    first: float | None
    second: float | None
    is_score: bool = False
    speedup: Interval | None = None

    @property
    def factor(self) -> float | None:
        """How many times less the second is: first / second; for a measured time the median of the pairs' ratios."""
        if self.speedup:
            return self.speedup.median
        return self.first / self.second if self.first is not None and self.second else None

    @property
    def percent(self) -> float | None:
        """How much more (+) or less (-) the second is, in percent of the first; for a score, in points."""
        if self.first is None or self.second is None:
            return None
        if self.is_score:
            return 100 * (self.second - self.first)
        if self.speedup:
            return 100 * (1 / self.speedup.median - 1)
        return 100 * (self.second / self.first - 1) if self.first else None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON values."""
        names = ("name", "first", "second", "factor", "percent", "is_score")
        speedup = self.speedup.to_dict() if self.speedup else None
        return {name: getattr(self, name) for name in names} | {"speedup": speedup}

    def cells(self) -> tuple[str, str, str, str, str]:
        """Return the figures as text."""
        first, second = (self._text(one) for one in (self.first, self.second))
        percent = "" if self.percent is None else f"{self.percent:+.2f} {'points' if self.is_score else '%'}"
        factor = "" if self.factor is None or self.is_score else f"{self.factor:.2f}x"
        if self.speedup:
            factor += f" [{self.speedup.low:.2f}, {self.speedup.high:.2f}]"
        return (self.name, first, second, factor, percent)

    def _text(self, value: float | None) -> str:
        if value is None:
            return "–"
        if self.is_score:
            return f"{value:.2%}"
        return f"{value:,.0f}" if float(value).is_integer() and value >= 100 else f"{value:,.3f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """Two networks beside each other.

    Args:
        names: What they are called.
        quantities: The figures.
        test_images: Images that the scores are of; 0 for none.
    """

    names: tuple[str, str]
    quantities: tuple[Quantity, ...]
    test_images: int = 0

    def __getitem__(self, name: str) -> Quantity:
        for one in self.quantities:
            if one.name == name:
                return one
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain JSON values."""
        return {
            "names": list(self.names),
            "test_images": self.test_images,
            "quantities": [one.to_dict() for one in self.quantities],
        }

    def __str__(self) -> str:
        title = f"{self.names[0]} and {self.names[1]}"
        title += f", scores on {self.test_images:,} test images" if self.test_images else ""
        columns = ("", *self.names, "times less", "change")
        return render(columns, [one.cells() for one in self.quantities], title=title)


def compare(
    first: Network,
    second: Network,
    *,
    input: Sequence[int] | None = None,
    task: TaskLike | None = None,
    on: Sequence[str] = (),
    names: tuple[str, str] = ("first", "second"),
    seconds: float = 8.0,
) -> SideBySide:
    """Put two networks, outcomes or artifacts beside each other.

    Parameters, their bytes and multiply-adds are counted. Accuracy is measured on the test images of a task, top-5 as
    well where there are more classes than that; time is measured in pairs on the engines named, one image, one thread.

    Args:
        first: What the other is compared with.
        second: The other.
        input: Shape of the input; None takes the task's or an artifact's.
        task: Test images and metric; None gives no accuracy.
        on: Engines to measure time and accuracy on; none counts, and gives PyTorch's accuracy where there is a task.
        names: What to call them.
        seconds: Time for the pairs on each engine, > 0.

    Raises:
        SettingError: The input shape is not known.
        ShapeError: The networks take inputs of different shapes.
        UnknownNameError: An engine that does not exist, or that an artifact has nothing for.
        EngineError: An engine refuses a network, or computes something else.

    Example:
        >>> wide, narrow = nn.Conv2d(3, 8, 1, bias=False), nn.Conv2d(3, 4, 1, bias=False)
        >>> compare(wide, narrow, input=(1, 3, 8, 8))["parameters"].factor
        2.0
    """
    sides = [one.model if isinstance(one, Outcome) else one for one in (first, second)]
    shape = _shape(sides, input, task)
    counts = [_counted(one, shape) for one in sides]
    quantities = [Quantity(name=name, first=counts[0][name], second=counts[1][name]) for name in counts[0]]
    if task is not None and not on:
        quantities += _torch_scores(sides, task)
    for runtime in dict.fromkeys(on):
        quantities += _on_engine(sides, runtime, shape, task, seconds)
    return SideBySide(names=names, quantities=tuple(quantities), test_images=len(task.test) if task else 0)


def _shape(
    sides: Sequence[nn.Module | Artifact], given: Sequence[int] | None, task: TaskLike | None
) -> tuple[int, ...]:
    known = [(1, *one.card.input_shapes[0]) for one in sides if isinstance(one, Artifact)]
    if given is not None:
        known.append((1, *tuple(given)[1:]))
    elif task is not None:
        known.append((1, *next(iter(task.test.batches(1)))[0].shape[1:]))
    if not known:
        raise SettingError(
            "the input shape is not known", where="compare", fix="give input=(1, 3, 224, 224), or a task"
        )
    if len(set(known)) > 1:
        texts = " and ".join("x".join(map(str, one)) for one in dict.fromkeys(known))
        raise ShapeError(f"the inputs are {texts}", where="compare", fix="compare networks for the same input")
    return known[0]


def _counted(side: nn.Module | Artifact, shape: tuple[int, ...]) -> dict[str, float | None]:
    if isinstance(side, Artifact):
        return {"parameters": side.card.params, "parameter KiB": _stored_kib(side), "MACs": side.card.macs}
    cost = profile(without_quantization(side), shape)
    return {"parameters": cost.params, "parameter KiB": parameter_bytes(side) / 1024, "MACs": cost.macs}


def parameter_bytes(model: nn.Module) -> int:
    """Return the bytes that a network's parameters take where they are stored as they are computed with.

    Weights that are rounded to int8 take one byte each, the others what their type takes; each is counted once.

    Example:
        >>> parameter_bytes(nn.Linear(3, 2))
        32
    """
    seen: dict[int, int] = {}
    for layer in model.modules():
        for name, one in layer.named_parameters(recurse=False):
            is_int8 = name == "weight" and isinstance(layer, QuantizedConv2d | QuantizedLinear)
            size = 1 if is_int8 else one.element_size()
            seen.setdefault(id(one), one.numel() * size)
    return sum(seen.values())


def _stored_kib(artifact: Artifact) -> float | None:
    """Return the size of the weights in an artifact's ONNX graph; None where it has none."""
    graph = artifact.contents.get("graph.onnx")
    if graph is None:
        return None
    tensors = onnx.load_from_string(graph).graph.initializer
    return sum(onnx.numpy_helper.to_array(one).nbytes for one in tensors) / 1024


def _torch_scores(sides: Sequence[nn.Module | Artifact], task: TaskLike) -> list[Quantity]:
    modules = [one for one in sides if isinstance(one, nn.Module)]
    if len(modules) < 2:
        raise SettingError(
            "an artifact has no accuracy outside of an engine", where="compare", fix='give on=("onnxruntime",)'
        )
    quantities = []
    for name, metric in _metrics(task).items():
        first, second = (evaluate(one, task.test, metric) for one in modules)
        quantities.append(Quantity(name=name, first=first, second=second, is_score=True))
    return quantities


def _metrics(task: TaskLike) -> Mapping[str, Any]:
    if task.metric is not top1_correct:
        return {"metric": task.metric}
    return {"top-1": task.metric} | ({"top-5": top5_correct} if task.classes > 5 else {})


def _on_engine(
    sides: Sequence[nn.Module | Artifact],
    runtime: str,
    shape: tuple[int, ...],
    task: TaskLike | None,
    seconds: float,
) -> list[Quantity]:
    noise: tuple[Tensor, ...] = input_noise((shape,), 0)
    picture = next(iter(task.test.batches(1)))[0] if task else noise[0]
    with ExitStack() as stack:
        stack.enter_context(pinned(1))
        loaded = [
            _load(one, runtime, (picture,), Path(stack.enter_context(tempfile.TemporaryDirectory()))) for one in sides
        ]
        sessions: dict[str, Runs] = {str(place): session for place, (session, _) in enumerate(loaded)}
        timing = measure_sessions(sessions, picture.numpy(), baseline="0", rounds=20, seconds=seconds)
        scores = _engine_scores(sessions, runtime, task) if task else []
    sizes = [size for _, size in loaded]
    times = [timing.latency(name).median_ms for name in ("0", "1")]
    return [
        Quantity(name=f"file KiB for {runtime}", first=sizes[0], second=sizes[1]),
        *scores,
        Quantity(name=f"ms on {runtime}", first=times[0], second=times[1], speedup=timing.speedup("1")),
    ]


def _engine_scores(sessions: Mapping[str, Runs], runtime: str, task: TaskLike) -> list[Quantity]:
    found = []
    for name, metric in _metrics(task).items():
        first, second = (engine_accuracy(sessions[place], task.test, metric) for place in ("0", "1"))
        found.append(Quantity(name=f"{name} on {runtime}", first=first, second=second, is_score=True))
    return found


def _load(side: nn.Module | Artifact, runtime: str, inputs: tuple[Tensor, ...], folder: Path) -> tuple[Runs, float]:
    """Return a session and the size of its files in KiB."""
    if isinstance(side, Artifact):
        return side.session(runtime), side.size_kib(runtime)
    session = load_proved(side, inputs, runtime, folder)
    return session, sum(one.stat().st_size for one in folder.rglob("*") if one.is_file()) / 1024
