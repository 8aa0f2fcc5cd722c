"""Evenly spaced values: what integer engines multiply."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from lissome.compression.quantization.formats.format import Codes, Format, Per, rows_of, short_scale
from lissome.core.errors import SettingError
from lissome.layers.fake_quantize import FakeQuantize

_LEAST_SCALE = 1e-8


class Linear(Format):
    """Integers times a scale: ``x = s (q - z)``."""

    __slots__ = ()

    per: Per

    @property
    def symmetric(self) -> bool:
        """Whether weights have z = 0 and as many negative as positive values."""
        return True

    @property
    def group(self) -> int:
        """Values that share a scale, where that is per "group"."""
        return 0

    @property
    def levels(self) -> int:
        """The greatest integer of a weight: 127 for 8 bits."""
        return int(2 ** (self.bits - 1) - 1)

    @property
    def engine_ready(self) -> bool:
        """Whether an engine multiplies such weights as int8: symmetric, at most 8 bits, no groups."""
        return self.symmetric and self.bits <= 8 and self.per != "group"

    def fitted_scale(self, scale: Tensor) -> Tensor:
        """Return a scale as the format can have it."""
        return scale

    def weight_scale(self, weight: Tensor) -> Tensor:
        """Return the scale of each output channel.

        Shape:
            weight: (out, …). Returns (out,); equal entries when per "tensor".
        """
        largest = weight.detach().abs().flatten(1).amax(dim=1)
        if self.per == "tensor":
            largest = largest.max().expand_as(largest)
        # A channel of zeros may have any scale; one that float32 represents well keeps engines from dividing by 0.
        return self.fitted_scale((largest / self.levels).clamp_min(_LEAST_SCALE)).contiguous()

    def activation_scale(self, low: float, high: float) -> tuple[float, int]:
        """Return scale and zero point of [0, 2^bits - 1] for values seen in [low, high], 0 being one of them.

        Example:
            >>> Int8().activation_scale(-127.5, 382.5)
            (2.0, 64)
        """
        low, high = min(low, 0.0), max(high, 0.0)
        steps = 2**self.bits - 1
        scale = float(
            self.fitted_scale(torch.tensor((high - low) / steps, dtype=torch.float64).clamp_min(_LEAST_SCALE))
        )
        return scale, min(max(round(-low / scale), 0), steps)

    def quantizer(self, low: float, high: float) -> FakeQuantize:
        """Return the layer that rounds an activation seen in [low, high]."""
        scale, zero_point = self.activation_scale(low, high)
        return FakeQuantize(scale, zero_point, 0, 2**self.bits - 1)

    def quantize(self, weight: Tensor) -> Codes:
        """Round to the nearest integer; beyond the ends, to the end."""
        rows = rows_of(weight, self.per, self.group).double()
        if self.symmetric:
            least, most = -self.levels, self.levels
            scale = rows.abs().amax(1, keepdim=True) / self.levels
        else:
            least, most = 0, 2**self.bits - 1
            scale = (rows.amax(1, keepdim=True).clamp_min(0) - rows.amin(1, keepdim=True).clamp_max(0)) / most
        scale = short_scale(self.fitted_scale(scale.clamp_min(_LEAST_SCALE)), self.bits).double()
        zero = torch.zeros_like(scale)
        if not self.symmetric:
            zero = torch.round(-rows.amin(1, keepdim=True).clamp_max(0) / scale).clamp(0, most)
        integers = torch.clamp(torch.round(rows / scale + zero), least, most).long()
        return Codes(integers, least, scale.float(), zero.long(), weight.shape)

    def dequantize(self, codes: Codes) -> Tensor:
        """Return ``s (q - z)``.

        Example:
            The 8-bit number 29 at scale 0.025 and zero point 0 stands for 0.725.

            >>> shape = torch.Size([1])
            >>> codes = Codes(torch.tensor([[29]]), -127, torch.tensor([[0.025]]), torch.tensor([[0]]), shape)
            >>> round(Int8().dequantize(codes).item(), 6)
            0.725
        """
        return (codes.scale.double() * (codes.integers - codes.zero)).float().reshape(codes.shape)

    def describe(self) -> str:
        """Name the format in a receipt."""
        return f"int{self.bits} weights per {self.per}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8(Linear):
    """8-bit integers, linear.

    Weights are symmetric: ``q = round(w / s)`` in [-127, 127] with ``s = max|w| / 127``. Activations are asymmetric:
    ``q = round(x / s) + z`` in [0, 255], with 0 exactly representable, so that padding costs nothing.

    Args:
        per: "channel": a scale for each output channel (weights only); "tensor": one for all. Default "tensor".

    Source:
        Jacob et al. 2018, arXiv:1712.05877, section 2.1; Krishnamoorthi 2018, arXiv:1806.08342, section 2.2.

    Example:
        >>> Int8(per="channel").weight_scale(torch.tensor([[127.0], [-254.0]]))
        tensor([1., 2.])
    """

    per: Literal["tensor", "channel"] = "tensor"

    def __post_init__(self) -> None:
        if self.per not in ("tensor", "channel"):
            raise SettingError(f"per is {self.per!r}", where="Int8", fix='choose "tensor" or "channel"')

    @property
    def bits(self) -> int:
        """8."""
        return 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Uniform(Linear):
    """Integers of any width from 2 to 8, or 16 bits, linear.

    Args:
        bits: 2 … 8 or 16.
        per: What shares a scale: "tensor", output "channel", or a "group" of neighbouring weights of a channel.
        symmetric: Weights in ±(2^(bits-1) - 1) without a zero point; False spans [least, greatest] with one.
        group: Weights a group, ≥ 2; a layer whose channels do not divide into groups gets a scale a channel.

    Source:
        Krishnamoorthi 2018, arXiv:1806.08342, section 2; groups: Dettmers et al. 2022, arXiv:2110.02861, section 2.1.

    Example:
        >>> Uniform(bits=2).rounded(torch.tensor([[0.9, -0.1, -1.0]]))
        tensor([[ 1.,  0., -1.]])
    """

    bits: int = 8
    per: Per = "channel"
    symmetric: bool = True
    group: int = 64

    def __post_init__(self) -> None:
        if self.bits not in (2, 3, 4, 5, 6, 7, 8, 16):
            raise SettingError(f"bits is {self.bits}", where="Uniform", fix="choose 2 to 8, or 16")
        if self.per not in ("tensor", "channel", "group"):
            raise SettingError(f"per is {self.per!r}", where="Uniform", fix='choose "tensor", "channel" or "group"')
        if self.group < 2:
            raise SettingError(f"group is {self.group}", where="Uniform", fix="choose at least 2")


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerOfTwo(Linear):
    """Dynamic fixed point: an integer whose scale is a power of two, so that rescaling is a shift.

    The point is put where nothing that was seen overflows: as many integer bits as the largest value needs, the rest
    fraction (Ristretto's search), for each tensor or channel by itself.

    Args:
        bits: 2 … 8 or 16.
        per: "tensor" or "channel".

    Source:
        Gysel, Motamedi and Ghiasi 2016, Ristretto, arXiv:1604.03168, section 4.2.

    Example:
        >>> PowerOfTwo().weight_scale(torch.tensor([[0.7, -3.0]])).item() == 2.0**-5
        True
    """

    bits: int = 8
    per: Literal["tensor", "channel"] = "tensor"

    def __post_init__(self) -> None:
        if self.bits not in (2, 3, 4, 5, 6, 7, 8, 16):
            raise SettingError(f"bits is {self.bits}", where="PowerOfTwo", fix="choose 2 to 8, or 16")
        if self.per not in ("tensor", "channel"):
            raise SettingError(f"per is {self.per!r}", where="PowerOfTwo", fix='choose "tensor" or "channel"')

    def fitted_scale(self, scale: Tensor) -> Tensor:
        """Return the next power of two above."""
        return torch.exp2(torch.ceil(torch.log2(scale)))

    def fraction_bits(self, weight: Tensor) -> Tensor:
        """Return how many bits stand behind the point, (out,); the rest, less the sign, stand before it.

        Example:
            >>> PowerOfTwo().fraction_bits(torch.tensor([[0.7, -3.0]]))
            tensor([5])
        """
        return -torch.log2(self.weight_scale(weight)).round().long()

    def describe(self) -> str:
        """Name the format in a receipt."""
        return f"int{self.bits} weights per {self.per}, scales powers of two"
