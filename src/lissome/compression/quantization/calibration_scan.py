"""How many images ranges must be calibrated on: the metric of the rounded network against their number."""

from dataclasses import dataclass, field, replace

from torch import nn

from lissome.compression.quantization.quantize import Quantize
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.outcome import Note
from lissome.core.step import Change, Step
from lissome.layers.fake_quantize import is_quantized
from lissome.training.evaluate import evaluate


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationScan(Step):
    """Quantize with ranges of few images and of many, and evaluate each; the network stays as it is.

    Args:
        images: Numbers of training images, each ≥ 1.
        quantize: How layers are quantized; its calibrator must read images.
        validation_images: At most so many validation images, ≥ 1.

    Measurements:
        calibration: float (the metric of the network as it is), images, and metric: one for each of `images`.

    Raises:
        SettingError: A number is below 1, or the calibrator reads no images.

    Example:
        >>> CalibrationScan(images=(0, 16))
        Traceback (most recent call last):
        lissome.core.errors.SettingError: CalibrationScan: images is (0, 16); calibrate on at least 1
    """

    images: tuple[int, ...] = (1, 4, 16, 64, 256)
    quantize: Quantize = field(default_factory=Quantize)
    validation_images: int = 1000

    def __post_init__(self) -> None:
        if not self.images or min(*self.images, self.validation_images) < 1:
            raise SettingError(f"images is {self.images}", where="CalibrationScan", fix="calibrate on at least 1")
        if not self.quantize.calibrator.reads_images:
            raise SettingError("the calibrator reads no images", where="CalibrationScan", fix="choose MinMax(), say")

    def requires(self) -> tuple[Need, ...]:
        """Training and validation images."""
        return (Need.TASK,)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Quantize, evaluate, and throw the rounded network away."""
        if is_quantized(model):
            return Change(model, (Note("", "rounds already: scan before it is quantized", applied=False),), {})
        task = context.require_task()
        counts = sorted({min(one, len(task.train)) for one in self.images})
        metric = []
        for number, count in enumerate(counts):
            context.progress.advance("calibration", number, len(counts))
            rounded = replace(self.quantize, images=count).apply(model, context).model
            metric.append(evaluate(rounded, task.validation, task.metric, limit=self.validation_images))
        exact = evaluate(model, task.validation, task.metric, limit=self.validation_images)
        notes = (Note("", f"{metric[-1]:.4f} of {exact:.4f} with ranges of {counts[-1]} images"),)
        return Change(model, notes, {"calibration": {"float": exact, "images": counts, "metric": metric}})
