"""Signs with a factor a channel: binary and ternary weights."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lissome.compression.quantization.formats.format import Codes, Format, rows_of, short_scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary(Format):
    """The sign of each weight times the mean magnitude of its output channel: 1 bit.

    Source:
        Rastegari et al. 2016, XNOR-Net, arXiv:1603.05279, equation 6.

    Example:
        >>> Binary().rounded(torch.tensor([[0.5, -1.5], [0.0, 2.0]]))
        tensor([[ 1., -1.],
                [ 1.,  1.]])
    """

    @property
    def bits(self) -> int:
        """1."""
        return 1

    def quantize(self, weight: Tensor) -> Codes:
        """Take signs; 0 counts as positive."""
        rows = rows_of(weight, "channel")
        scale = short_scale(rows.abs().double().mean(1, keepdim=True).clamp_min(1e-8), 8)
        return Codes((rows >= 0).long(), 0, scale, torch.zeros_like(scale).long(), weight.shape)

    def dequantize(self, codes: Codes) -> Tensor:
        """Return plus or minus the factor."""
        return (codes.scale * (2 * codes.integers - 1)).reshape(codes.shape)

    def describe(self) -> str:
        """Name the format in a receipt."""
        return "binary weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ternary(Format):
    """-a, 0 or a, with a for each output channel: 2 bits.

    What is below 0.7 of the mean magnitude becomes 0; a is the mean of the others.

    Source:
        Li and Liu 2016, Ternary Weight Networks, arXiv:1605.04711, equations 5 and 6.

    Example:
        >>> Ternary().rounded(torch.tensor([[0.1, -1.0, 1.0]]))
        tensor([[ 0., -1.,  1.]])
    """

    @property
    def bits(self) -> int:
        """2."""
        return 2

    def quantize(self, weight: Tensor) -> Codes:
        """Take the signs of the large ones."""
        rows = rows_of(weight, "channel").double()
        large = rows.abs() > 0.7 * rows.abs().mean(1, keepdim=True)
        sums = (rows.abs() * large).sum(1, keepdim=True)
        scale = short_scale((sums / large.sum(1, keepdim=True).clamp_min(1)).clamp_min(1e-8), 8)
        return Codes((rows.sign() * large).long(), -1, scale, torch.zeros_like(scale).long(), weight.shape)

    def dequantize(self, codes: Codes) -> Tensor:
        """Return -a, 0 or a."""
        return (codes.scale * codes.integers).reshape(codes.shape)

    def describe(self) -> str:
        """Name the format in a receipt."""
        return "ternary weights"
