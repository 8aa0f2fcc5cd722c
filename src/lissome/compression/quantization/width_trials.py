"""Networks with each layer at a width of its own, built from one observation and judged by a metric."""

import copy
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, fx, nn

from lissome.compression.quantization.observe import Observed
from lissome.compression.quantization.quantize import Quantize
from lissome.core.context import Context
from lissome.core.outcome import Note
from lissome.core.recipe import Recipe
from lissome.core.step import Change, Step
from lissome.exporting.export import export
from lissome.runtimes.accuracy import engine_accuracy
from lissome.training.evaluate import evaluate

Widths = Mapping[str, int]
"""Bits of each layer's weights, by its path; 32 is float."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A network that was built, and its metric.

    Args:
        widths: Bits of each layer's weights.
        model: The network.
        notes: What was said when it was built.
        simulated: Its metric on the validation images.
        on: The same on each engine that was asked.
    """

    widths: Widths
    model: nn.Module
    notes: tuple[Note, ...]
    simulated: float
    on: Mapping[str, float] = field(default_factory=dict)

    @property
    def metric(self) -> float:
        """The lowest of them."""
        return min(self.simulated, *self.on.values()) if self.on else self.simulated


Judge = Callable[[Widths], Judged]


@dataclass(frozen=True, slots=True)
class WidthTrials:
    """Builds networks from one observation, and judges them.

    Args:
        quantize: How layers are quantized.
        graph: The folded network; stays as it is.
        observed: What its results are on the calibration images.
        context: The task.
        limit: At most so many validation images.
        recover: Steps that follow rounding, before a network is confirmed.
        runtimes: Engines that a network is confirmed on.
    """

    quantize: Quantize
    graph: fx.GraphModule
    observed: Observed
    context: Context
    limit: int | None
    recover: tuple[Step, ...] = ()
    runtimes: tuple[str, ...] = ()

    def simulated(self, widths: Widths) -> Judged:
        """Return the network as it was rounded, judged here."""
        change = self._built(widths)
        return Judged(widths, change.model, change.notes, self._metric(change.model))

    def confirmed(self, widths: Widths) -> Judged:
        """Return the network after its recovery, judged here and on the engines."""
        change = self._built(widths)
        context = replace(self.context, memory=None)
        outcome = Recipe(*self.recover).apply(change.model, context)
        notes = (*change.notes, *(note for part in outcome.parts for note in part.notes))
        return Judged(widths, outcome.model, notes, self._metric(outcome.model), self._on_engines(outcome.model))

    def sensitivity(self, paths: Sequence[str], width: int, images: Sequence[Tensor]) -> dict[str, float]:
        """Return the squared change of the output, over its square, with each layer rounded alone."""
        found = {}
        with torch.inference_mode():
            wanted = torch.cat([self.graph(one) for one in images])
            for number, path in enumerate(paths):
                self.context.progress.advance("sensitivity", number, len(paths))
                alone = self._built({other: width if other == path else 32 for other in paths}).model
                change = torch.cat([alone(one) for one in images]) - wanted
                found[path] = float(change.square().mean() / wanted.square().mean().clamp_min(1e-30))
        return found

    def _built(self, widths: Widths) -> Change:
        usual = self.quantize.weights.bits
        floats = tuple(path for path, width in widths.items() if width == 32)
        others = {path: width for path, width in widths.items() if width not in (32, usual)}
        step = replace(self.quantize, skip=(*self.quantize.skip, *floats), bits_of=others)
        return step.built(copy.deepcopy(self.graph), self.observed)

    def _metric(self, model: nn.Module) -> float:
        task = self.context.require_task()
        return evaluate(model, task.validation, task.metric, limit=self.limit)

    def _on_engines(self, model: nn.Module) -> dict[str, float]:
        if not self.runtimes:
            return {}
        task = self.context.require_task()
        with tempfile.TemporaryDirectory(prefix="lissome-") as folder:
            path = Path(folder, "trial.lissome")
            artifact = export(model, path, runtimes=self.runtimes, context=self.context)
            return {
                one: engine_accuracy(artifact.session(one), task.validation, task.metric, limit=self.limit)
                for one in self.runtimes
            }


def fewest_raised(judge: Judge, found: Judged, order: Sequence[str], width: int, wanted: float) -> Judged:
    """Raise the fewest of the most sensitive layers to a width that reaches a metric (halving); all, if none do.

    Args:
        judge: Builds and judges.
        found: What is known not to reach it.
        order: Paths of layers, the most sensitive first.
        width: What they are raised to; a layer that has more keeps it.
        wanted: The metric.
    """
    low, high = 0, len(order)  # `low` is known to be too few

    def raised(count: int) -> Judged:
        return judge({**found.widths, **{path: max(width, found.widths[path]) for path in order[:count]}})

    best = raised(high)
    if best.metric < wanted:
        return best
    while high - low > 1:
        middle = (low + high) // 2
        tried = raised(middle)
        if tried.metric >= wanted:
            high, best = middle, tried
        else:
            low = middle
    return best
