"""Quantize as far as an accuracy budget allows, layer by layer."""

from dataclasses import dataclass, field

from torch import nn

from lissome.compression.quantization.building import computing_paths
from lissome.compression.quantization.lockstep import images_of
from lissome.compression.quantization.quantize import Quantize
from lissome.compression.quantization.width_trials import Judge, Judged, Widths, WidthTrials, fewest_raised
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.outcome import Note
from lissome.core.recipe import Recipe
from lissome.core.step import Change, Step
from lissome.exporting.export import check_integers
from lissome.runtimes.table import get_runtime
from lissome.training.evaluate import evaluate


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeWithin(Step):
    """Quantize every layer that the validation metric can bear; the most sensitive get more bits, then stay float.

    How sensitive a layer is, is measured: it alone is rounded to the fewest bits, and the squared change of the
    network's output on training images is its figure. Then the fewest of the most sensitive layers are raised to the
    next width, and at last to float, until the metric falls by no more than `drop`. The network is observed once.

    What is found is the simulated metric's. With `runtimes`, the network is exported then, after its recovery, and
    scored on each engine: where one of them loses more, further layers are raised until all keep the budget.

    Args:
        drop: How much the validation metric may fall, ≥ 0: 0.005 is half a point of accuracy.
        quantize: How layers are quantized, with the most bits.
        bits: Widths of weights to try, the fewest first; () takes only those of `quantize`.
        images: Training images that sensitivity is measured on, ≥ 1.
        validation_images: At most so many validation images; None takes all.
        recover: Steps that follow rounding, such as `CorrectBias()`; what is kept is judged behind them.
        runtimes: Engines that must keep the budget, too.

    Measurements:
        val_metric_float, val_metric, val_metric_on (of each engine), sensitivity (of each layer), bits (of each layer's
        weights; 32 is float), and layers_quantized.

    Raises:
        SettingError: A value is out of its range, or an engine runs no integers.
        UnknownNameError: There is no such engine.
        EngineMissingError: An engine is not installed.
        ParityError: An engine computes something else.

    Source:
        Sensitivity of single layers: Wu et al. 2020, arXiv:2004.09602, section 5.2; mixed precision by it: Dong et al.
        2019, HAWQ, arXiv:1905.03696, in outline.
    """

    drop: float = 0.005
    quantize: Quantize = field(default_factory=Quantize)
    bits: tuple[int, ...] = ()
    images: int = 64
    validation_images: int | None = None
    recover: tuple[Step, ...] = ()
    runtimes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.drop < 0:
            raise SettingError(f"drop is {self.drop}", where="QuantizeWithin", fix="choose at least 0")
        if self.images < 1 or (self.validation_images is not None and self.validation_images < 1):
            raise SettingError("a number of images is below 1", where="QuantizeWithin", fix="choose at least 1")
        if list(self.bits) != sorted(set(self.bits)) or not all(2 <= one <= 8 for one in self.bits):
            fix = "give widths of 2 to 8 bits, the fewest first"
            raise SettingError(f"bits is {self.bits}", where="QuantizeWithin", fix=fix)
        for name in self.runtimes:
            get_runtime(name)
        check_integers(self.runtimes)

    def requires(self) -> tuple[Need, ...]:
        """Training and validation images, and what the recovery needs."""
        return tuple(dict.fromkeys((Need.TASK, *Recipe(*self.recover).requires())))

    def change(self, model: nn.Module, context: Context) -> Change:
        """Observe once, then build and judge as often as it takes."""
        task = context.require_task()
        base = evaluate(model, task.validation, task.metric, limit=self.validation_images)
        wanted = base - self.drop
        graph, notes = self.quantize.folded(model, context)
        observed = self.quantize.seen(graph, context)
        trials = WidthTrials(
            self.quantize, graph, observed, context, self.validation_images, self.recover, self.runtimes
        )
        widths = self.bits or (self.quantize.weights.bits,)
        paths = computing_paths(graph)
        left = self.quantize.floats(paths)
        paths = [path for path in paths if path not in left]
        sensitivity: dict[str, float] = {}

        def kept(judge: Judge, start: Widths) -> Judged:
            found = judge(start)
            for width in (*widths[1:], 32):
                if found.metric >= wanted:
                    break
                if not sensitivity:
                    sensitivity.update(trials.sensitivity(paths, widths[0], images_of(context, self.images)))
                order = sorted(sensitivity, key=lambda path: -sensitivity[path])
                found = fewest_raised(judge, found, order, width, wanted)
            return found

        found = kept(trials.simulated, dict.fromkeys(paths, widths[0]))
        if self.recover or self.runtimes:
            found = kept(trials.confirmed, found.widths)
        notes += tuple(
            Note(path, f"float, since rounding it costs most ({sensitivity[path]:.2e})", applied=False)
            for path, width in found.widths.items()
            if width == 32
        )
        if found.on and found.metric < wanted:
            engine = min(found.on, key=lambda name: found.on[name])
            lost = f"loses {base - found.metric:.4g} of the metric on {engine} with every layer float"
            notes += (Note("", lost, applied=False),)
        figures = {
            "val_metric_float": base,
            "val_metric": found.simulated,
            "val_metric_on": dict(found.on),
            "layers_quantized": sum(width < 32 for width in found.widths.values()),
            "bits": dict(found.widths),
            "sensitivity": sensitivity,
        }
        return Change(found.model, (*notes, *(one for one in found.notes if one.applied)), figures)
