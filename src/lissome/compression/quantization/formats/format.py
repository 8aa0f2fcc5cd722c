"""What every number format has in common."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Per = Literal["tensor", "channel", "group"]


@dataclass(frozen=True, slots=True)
class Codes:
    """Weights as small integers, and what turns them back.

    Args:
        integers: (rows, values a row), int64.
        low: The least integer there can be.
        scale: (rows, 1) or (1, 1): the format's own factor of each row.
        zero: As scale; what is subtracted first. All 0 for symmetric formats.
        shape: The weights' own shape.
    """

    integers: Tensor
    low: int
    scale: Tensor
    zero: Tensor
    shape: torch.Size


class Format(ABC):
    """How a real number is written in a few bits: quantize, dequantize, bits, storage."""

    __slots__ = ()

    @property
    @abstractmethod
    def bits(self) -> int:
        """Bits a value."""

    @abstractmethod
    def quantize(self, weight: Tensor) -> Codes:
        """Write weights in this format.

        Shape:
            weight: (out, …).
        """

    @abstractmethod
    def dequantize(self, codes: Codes) -> Tensor:
        """Return the weights that the codes stand for."""

    def rounded(self, weight: Tensor) -> Tensor:
        """Return the weights as this format has them."""
        return self.dequantize(self.quantize(weight.detach())).to(weight.dtype)

    def storage_bits(self, codes: Codes) -> int:
        """Return how many bits the values and their factors take."""
        return self.bits * codes.integers.numel() + 32 * codes.scale.numel()

    def describe(self) -> str:
        """Name the format in a receipt."""
        return f"{self.bits} bits"


def rows_of(weight: Tensor, per: Per, group: int = 0) -> Tensor:
    """Return the weights as rows that have a factor each.

    Example:
        >>> rows_of(torch.zeros(4, 6, 3, 3), "channel").shape, rows_of(torch.zeros(4, 6), "group", 3).shape
        (torch.Size([4, 54]), torch.Size([8, 3]))
    """
    if per == "tensor":
        return weight.reshape(1, -1)
    rows = weight.flatten(1) if weight.dim() > 1 else weight.reshape(-1, 1)
    if per == "group" and rows.shape[1] % group == 0:
        return rows.reshape(-1, group)
    return rows


def short_scale(scale: Tensor, bits: int) -> Tensor:
    """Return scales rounded up to so few digits that every multiple by an integer of the format is exact in float32.

    Weights restored from integers are then the same floats wherever they are multiplied, and a file of them can be
    packed to the integers again. The scale grows by 2^-17 of itself for 8 bits.

    Example:
        >>> short_scale(torch.tensor([1 / 3]), bits=8).item()
        0.33333587646484375
    """
    mantissa, exponent = torch.frexp(scale.double())
    digits = 24 - bits
    return torch.ldexp(torch.ceil(mantissa * 2**digits), exponent - digits).float()
