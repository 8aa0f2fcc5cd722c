"""Powers of two: a multiplication becomes a shift."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lissome.compression.quantization.formats.format import Codes, Format
from lissome.core.errors import SettingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Log2(Format):
    """Sign and exponent: 0 or ``±2^e``, with the exponents ending at the largest weight of the tensor.

    The code 0 is 0; ±k is ``±2^(top - k + 1)``, so that small codes are large weights.

    Args:
        bits: 2 … 8: one for the sign, the rest for 2^(bits-1) - 1 exponents.

    Source:
        Miyashita, Lee and Murmann 2016, arXiv:1603.01025, section 3; Zhou et al. 2017, arXiv:1702.03044.

    Example:
        >>> Log2(bits=3).rounded(torch.tensor([[1.0, -0.4, 0.2, 0.01]]))
        tensor([[ 1.0000, -0.5000,  0.2500,  0.0000]])
    """

    bits: int = 4

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 8:
            raise SettingError(f"bits is {self.bits}", where="Log2", fix="choose 2 to 8")

    def quantize(self, weight: Tensor) -> Codes:
        """Round to the nearest power of two; what is below half the least one becomes 0."""
        flat = weight.double().reshape(1, -1)
        count = 2 ** (self.bits - 1) - 1
        largest = flat.abs().amax().clamp_min(1e-30)
        top = _nearest_exponent(largest)
        exponents = _nearest_exponent(flat.abs().clamp_min(1e-30))
        places = (top - exponents + 1).clamp(1, count)
        zero = flat.abs() < torch.exp2(top - count + 1) / 2
        integers = torch.where(zero, 0.0, places * flat.sign()).long()
        return Codes(integers, -count, torch.exp2(top).reshape(1, 1).float(), torch.zeros(1, 1).long(), weight.shape)

    def dequantize(self, codes: Codes) -> Tensor:
        """Return signs and powers."""
        powers = codes.scale.double() * torch.exp2(1.0 - codes.integers.abs().double())
        return (codes.integers.sign() * powers).float().reshape(codes.shape)

    def describe(self) -> str:
        """Name the format in a receipt."""
        return f"{self.bits}-bit powers of two"


def _nearest_exponent(values: Tensor) -> Tensor:
    """Return the exponent whose power is nearest, in value: 2^e up to 1.5 · 2^e goes down."""
    lower = torch.floor(torch.log2(values))
    return lower + (values >= 1.5 * torch.exp2(lower)).double()
