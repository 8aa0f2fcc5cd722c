"""Floats of 16 bits."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from lissome.compression.quantization.formats.format import Codes, Format


class _Short(Format):
    __slots__ = ()

    @property
    def bits(self) -> int:
        """16."""
        return 16

    @abstractmethod
    def _dtype(self) -> torch.dtype:
        """Return torch's name of the format."""

    def quantize(self, weight: Tensor) -> Codes:
        """Round to the nearest; what is beyond the largest becomes the largest."""
        limit = torch.finfo(self._dtype()).max
        short = weight.detach().float().clamp(-limit, limit).to(self._dtype())
        one = torch.ones(1, 1)
        return Codes(short.reshape(1, -1).view(torch.int16).long(), -(2**15), one, one.long() * 0, weight.shape)

    def dequantize(self, codes: Codes) -> Tensor:
        """Return the floats whose bits these are."""
        return codes.integers.to(torch.int16).view(self._dtype()).float().reshape(codes.shape)

    def storage_bits(self, codes: Codes) -> int:
        """Return 16 bits a value; there is no factor."""
        return 16 * codes.integers.numel()


@dataclass(frozen=True, slots=True, kw_only=True)
class Float16(_Short):
    """IEEE half precision: 5 bits of exponent, 10 of fraction; 65504 is the largest.

    Source:
        IEEE 754-2019, binary16.

    Example:
        >>> Float16().rounded(torch.tensor([[0.1, 1e6]]))
        tensor([[9.9976e-02, 6.5504e+04]])
    """

    def _dtype(self) -> torch.dtype:
        return torch.float16

    def describe(self) -> str:
        """Name the format in a receipt."""
        return "float16 weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class BFloat16(_Short):
    """The upper half of a float32: 8 bits of exponent, 7 of fraction.

    Source:
        Kalamkar et al. 2019, arXiv:1905.12322, section 2.

    Example:
        >>> BFloat16().rounded(torch.tensor([[0.1]]))
        tensor([[0.1001]])
    """

    def _dtype(self) -> torch.dtype:
        return torch.bfloat16

    def describe(self) -> str:
        """Name the format in a receipt."""
        return "bfloat16 weights"
