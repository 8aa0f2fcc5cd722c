"""Number formats: how a real number is written as an integer."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from lissome.core.errors import SettingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8:
    """8-bit integers, linear.

    Weights are symmetric: ``q = round(w / s)`` in [-127, 127] with ``s = max|w| / 127``. Activations are asymmetric:
    ``q = round(x / s) + z`` in [0, 255], with 0 exactly representable, so that padding costs nothing.

    Args:
        per: "channel": a scale for each output channel (weights only); "tensor": one for all. Default "tensor".

    Source:
        Jacob et al. 2018, arXiv:1712.05877, section 2.1; Krishnamoorthi 2018, arXiv:1806.08342, section 2.2.

    Example:
        >>> import torch
        >>> Int8(per="channel").weight_scale(torch.tensor([[127.0], [-254.0]]))
        tensor([1., 2.])
    """

    per: Literal["tensor", "channel"] = "tensor"

    def __post_init__(self) -> None:
        if self.per not in ("tensor", "channel"):
            raise SettingError(f"per is {self.per!r}", where="Int8", fix='choose "tensor" or "channel"')

    def weight_scale(self, weight: Tensor) -> Tensor:
        """Return the scale of each output channel.

        Shape:
            weight: (out, …). Returns (out,); equal entries when per "tensor".
        """
        largest = weight.detach().abs().flatten(1).amax(dim=1)
        if self.per == "tensor":
            largest = largest.max().expand_as(largest)
        # A channel of zeros may have any scale; one that float32 represents well keeps engines from dividing by 0.
        return (largest / 127).clamp_min(1e-8).contiguous()

    @staticmethod
    def activation_scale(low: float, high: float) -> tuple[float, int]:
        """Return scale and zero point of [0, 255] for values seen in [low, high].

        Example:
            >>> Int8.activation_scale(-127.5, 382.5)
            (2.0, 64)
        """
        low, high = min(low, 0.0), max(high, 0.0)
        scale = max((high - low) / 255, 1e-8)
        return scale, round(-low / scale)
