"""The rarest values are clipped."""

from dataclasses import dataclass

from lissome.compression.quantization.calibrators.calibrator import Calibrator
from lissome.compression.quantization.ranges import Range
from lissome.core.errors import SettingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentile(Calibrator):
    """Clips the rarest values on both sides.

    Args:
        percent: Share of values inside the range, in (50, 100]. Default 99.99.

    Source:
        Wu et al. 2020, Integer Quantization for Deep Learning Inference, arXiv:2004.09602, section 4.

    Example:
        >>> import torch
        >>> seen = Range()
        >>> seen.update(torch.cat([torch.linspace(0, 1, 9999), torch.tensor([100.0])]))
        >>> Percentile(percent=99.9).choose(seen)[1] < 2
        True
    """

    percent: float = 99.99

    def __post_init__(self) -> None:
        if not 50 < self.percent <= 100:
            raise SettingError(f"percent is {self.percent}", where="Percentile", fix="choose a value in (50, 100]")

    def choose(self, seen: Range, levels: int = 256) -> tuple[float, float]:
        """Return the two quantiles, within the extremes."""
        del levels
        share = self.percent / 100
        return max(seen.quantile(1 - share) - seen.width, seen.low), seen.quantile(share)
