"""The recipes of `lissome quantize`: with data within a budget of accuracy, without by what the network knows."""

from collections.abc import Sequence

from lissome.compression.quantization.ada_round import AdaRound
from lissome.compression.quantization.calibration_scan import CalibrationScan
from lissome.compression.quantization.calibrators import DataFree
from lissome.compression.quantization.correct_bias import CorrectBias
from lissome.compression.quantization.equalize_layers import EqualizeLayers
from lissome.compression.quantization.quantize import Quantize
from lissome.compression.quantization.quantize_within import QuantizeWithin
from lissome.core.errors import SettingError
from lissome.core.recipe import Recipe
from lissome.core.step import Step
from lissome.timing.measure_latency import MeasureLatency

Pixels = tuple[float, tuple[float, ...], tuple[float, ...]]
"""What pixels are divided by first; what is taken away then, and divided by: one number, or one a channel."""


def recipe_with_data(
    inner: Quantize,
    runtimes: Sequence[str],
    require_speedup: float | None,
    *,
    drop: float,
    equalize: bool,
    round: bool,
    scan: bool = False,
) -> Recipe:
    """Return the recipe that quantizes within a budget, judged on validation images, here and on the engines.

    Args:
        inner: How layers are quantized.
        runtimes: Engines that keep the budget, and have to be faster, if any has.
        require_speedup: By how much, or None.
        drop: What the accuracy may lose.
        equalize: Equalise layers first.
        round: Round by layer output at the end, instead of correcting biases.
        scan: Also show how the number of calibration images matters.
    """
    before: tuple[Step, ...] = (EqualizeLayers(),) if equalize else ()
    if scan and inner.calibrator.reads_images:
        before = (*before, CalibrationScan(quantize=inner))
    recover = (AdaRound() if round else CorrectBias(),)
    within = QuantizeWithin(drop=drop, quantize=inner, recover=recover, runtimes=tuple(runtimes))
    return Recipe(*before, within, *_timed(runtimes, require_speedup))


def recipe_without_data(
    inner: Quantize, runtimes: Sequence[str], require_speedup: float | None, *, equalize: bool
) -> Recipe:
    """Return the recipe that reads no image.

    Args:
        inner: How layers are quantized, with a calibrator that reads none.
        runtimes: Engines that have to be faster, if any has.
        require_speedup: By how much, or None.
        equalize: Equalise layers first.
    """
    before: tuple[Step, ...] = (EqualizeLayers(source="statistics"),) if equalize else ()
    return Recipe(*before, inner, CorrectBias(source="statistics"), *_timed(runtimes, require_speedup))


def data_free(pixels: Pixels) -> DataFree:
    """Return the calibrator that knows what the darkest and the brightest pixel become.

    Raises:
        SettingError: There are two numbers and three channels, or a deviation is not above 0.

    Example:
        >>> data_free((255.0, (0.5,), (0.5,))).input
        (-1.0, 1.0)
    """
    scale, means, deviations = pixels
    channels = max(len(means), len(deviations))
    if {len(means), len(deviations)} - {1, channels} or min(scale, *deviations) <= 0:
        fix = "give one number or one a channel, with scale and deviations above 0"
        raise SettingError(f"{means} and {deviations} do not fit", where="--mean and --std", fix=fix)
    pairs = [(means[place % len(means)], deviations[place % len(deviations)]) for place in range(channels)]
    return DataFree(
        input=(min(-mean / std for mean, std in pairs), max((255 / scale - mean) / std for mean, std in pairs))
    )


def _timed(runtimes: Sequence[str], require_speedup: float | None) -> list[Step]:
    return [MeasureLatency(runtime=one, require_speedup=require_speedup) for one in runtimes if require_speedup]
