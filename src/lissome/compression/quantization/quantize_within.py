"""Quantize as far as an accuracy budget allows, layer by layer."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, fx, nn

from lissome.compression.quantization.building import computing_paths
from lissome.compression.quantization.lockstep import images_of
from lissome.compression.quantization.observe import Observed
from lissome.compression.quantization.quantize import Quantize
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.outcome import Note
from lissome.core.step import Change, Step
from lissome.training.evaluate import evaluate


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeWithin(Step):
    """Quantize every layer that the validation metric can bear; the most sensitive get more bits, then stay float.

    How sensitive a layer is, is measured: it alone is rounded to the fewest bits, and the squared change of the
    network's output on training images is its figure. Then the fewest of the most sensitive layers are raised to the
    next width, and at last to float, until the metric falls by no more than `drop`. The network is observed once.

    Args:
        drop: How much the validation metric may fall, ≥ 0: 0.005 is half a point of accuracy.
        quantize: How layers are quantized, with the most bits.
        bits: Widths of weights to try, the fewest first; () takes only those of `quantize`.
        images: Training images that sensitivity is measured on, ≥ 1.
        validation_images: At most so many validation images; None takes all.

    Measurements:
        val_metric_float, val_metric, sensitivity (of each layer), bits (of each layer's weights; 32 is float), and
        layers_quantized.

    Raises:
        SettingError: A value is out of its range.

    Source:
        Sensitivity of single layers: Wu et al. 2020, arXiv:2004.09602, section 5.2; mixed precision by it: Dong et al.
        2019, HAWQ, arXiv:1905.03696, in outline.
    """

    drop: float = 0.005
    quantize: Quantize = field(default_factory=Quantize)
    bits: tuple[int, ...] = ()
    images: int = 64
    validation_images: int | None = None

    def __post_init__(self) -> None:
        if self.drop < 0:
            raise SettingError(f"drop is {self.drop}", where="QuantizeWithin", fix="choose at least 0")
        if self.images < 1 or (self.validation_images is not None and self.validation_images < 1):
            raise SettingError("a number of images is below 1", where="QuantizeWithin", fix="choose at least 1")
        if list(self.bits) != sorted(set(self.bits)) or not all(2 <= one <= 8 for one in self.bits):
            fix = "give widths of 2 to 8 bits, the fewest first"
            raise SettingError(f"bits is {self.bits}", where="QuantizeWithin", fix=fix)

    def requires(self) -> tuple[Need, ...]:
        """Training and validation images."""
        return (Need.TASK,)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Observe once, then build and judge as often as it takes."""
        task = context.require_task()
        base = evaluate(model, task.validation, task.metric, limit=self.validation_images)
        graph, notes = self.quantize.folded(model, context)
        trial = _Trial(self.quantize, graph, self.quantize.seen(graph, context), context, self.validation_images)
        widths = self.bits or (self.quantize.weights.bits,)
        paths = [path for path in computing_paths(graph) if path not in trial.kept_float()]
        assigned = dict.fromkeys(paths, widths[0])
        metric = trial.metric(assigned)
        sensitivity: dict[str, float] = {}
        if metric < base - self.drop:
            sensitivity = trial.sensitivity(paths, widths[0], images_of(context, self.images))
        order = sorted(sensitivity, key=lambda path: -sensitivity[path])
        for width in (*widths[1:], 32):
            if metric >= base - self.drop:
                break
            assigned, metric = _fewest_raised(trial, assigned, order, width, base - self.drop)
        change = trial.build(assigned)
        notes += tuple(
            Note(path, f"float, since rounding it costs most ({sensitivity[path]:.2e})", applied=False)
            for path, width in assigned.items()
            if width == 32
        )
        figures = {
            "val_metric_float": base,
            "val_metric": metric,
            "layers_quantized": sum(width < 32 for width in assigned.values()),
            "bits": assigned,
            "sensitivity": sensitivity,
        }
        return Change(change.model, (*notes, *(one for one in change.notes if one.applied)), figures)


def _fewest_raised(
    trial: "_Trial", assigned: Mapping[str, int], order: Sequence[str], width: int, wanted: float
) -> tuple[dict[str, int], float]:
    """Raise the fewest of the most sensitive layers to a width that reaches a metric (halving); all, if none do."""
    low, high = 0, len(order)  # `low` is known to be too few

    def raised(count: int) -> dict[str, int]:
        return {**assigned, **dict.fromkeys(order[:count], width)}

    best, metric = raised(high), trial.metric(raised(high))
    if metric < wanted:
        return best, metric
    while high - low > 1:
        middle = (low + high) // 2
        tried = trial.metric(raised(middle))
        if tried >= wanted:
            high, best, metric = middle, raised(middle), tried
        else:
            low = middle
    return best, metric


@dataclass(frozen=True, slots=True)
class _Trial:
    """Builds the network with each layer at its own width, and judges it."""

    quantize: Quantize
    graph: fx.GraphModule
    observed: Observed
    context: Context
    limit: int | None

    def kept_float(self) -> list[str]:
        return self.quantize.floats(computing_paths(self.graph))

    def build(self, assigned: Mapping[str, int]) -> Change:
        usual = self.quantize.weights.bits
        floats = tuple(path for path, width in assigned.items() if width == 32)
        others = {path: width for path, width in assigned.items() if width not in (32, usual)}
        step = replace(self.quantize, skip=(*self.quantize.skip, *floats), bits_of=others)
        return step.built(copy.deepcopy(self.graph), self.observed)

    def metric(self, assigned: Mapping[str, int]) -> float:
        task = self.context.require_task()
        return evaluate(self.build(assigned).model, task.validation, task.metric, limit=self.limit)

    def sensitivity(self, paths: Sequence[str], width: int, images: list[Tensor]) -> dict[str, float]:
        """Return the squared change of the output, over its square, with each layer rounded alone."""
        found = {}
        with torch.inference_mode():
            wanted = torch.cat([self.graph(one) for one in images])
            for number, path in enumerate(paths):
                self.context.progress.advance("sensitivity", number, len(paths))
                alone = self.build({other: width if other == path else 32 for other in paths}).model
                change = torch.cat([alone(one) for one in images]) - wanted
                found[path] = float(change.square().mean() / wanted.square().mean().clamp_min(1e-30))
        return found
