"""From what an activation was seen to do to the range it gets."""

from lissome.compression.quantization.calibrators.aciq import Aciq
from lissome.compression.quantization.calibrators.calibrator import Calibrator
from lissome.compression.quantization.calibrators.data_free import DataFree
from lissome.compression.quantization.calibrators.entropy import Entropy
from lissome.compression.quantization.calibrators.mean_squared_error import MeanSquaredError
from lissome.compression.quantization.calibrators.min_max import MinMax
from lissome.compression.quantization.calibrators.moving_average import MovingAverage
from lissome.compression.quantization.calibrators.percentile import Percentile
from lissome.compression.quantization.ranges import Range

__all__ = [
    "Aciq",
    "Calibrator",
    "DataFree",
    "Entropy",
    "MeanSquaredError",
    "MinMax",
    "MovingAverage",
    "Percentile",
    "Range",
]
