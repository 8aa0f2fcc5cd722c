"""A fully connected layer whose blocks are circulant or Toeplitz matrices, computed in the frequency domain.

    y_i = Σ_j F⁻¹ (Â_ij ∘ F x_j)

A block of b x b is told by b numbers (circulant: each row is the one above, turned by one) or 2b - 1 (Toeplitz: each
diagonal has one value), and multiplies a vector by way of its spectrum. The Fourier transform of b numbers is a small
matrix product here, so that every engine runs it; only the products of spectra grow with the layer.

Cost, with m = b // 2 + 1 frequencies (Toeplitz: b + 1), p = out / b and q = in / b: 2mpq numbers, and
2mb(p + q) + 4mpq MACs where a plain layer has b²pq of each.
"""

import math
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.core.errors import SettingError


class StructuredLinear(nn.Module):
    """Fully connected, its weight made of circulant or Toeplitz blocks.

    Args:
        in_features: Numbers read; filled up with zeros to a multiple of `block`.
        out_features: Numbers made; those beyond are dropped from the last block.
        block: Side of a block, ≥ 2.
        structure: "circulant" or "toeplitz".
        bias: Add a bias.

    Shape:
        (N, in_features) to (N, out_features).

    Source:
        Cheng et al. 2015, An Exploration of Parameter Redundancy in Deep Networks with Circulant Projections,
        arXiv:1502.03436; blocks: Ding et al. 2017, CirCNN, arXiv:1708.08917, section 3.

    Example:
        >>> layer = StructuredLinear(256, 128, 32)
        >>> sum(one.numel() for one in layer.parameters()), layer(torch.zeros(2, 256)).shape
        (1216, torch.Size([2, 128]))
    """

    basis: Tensor
    inverse: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        block: int,
        structure: Literal["circulant", "toeplitz"] = "circulant",
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if block < 2:
            raise SettingError(f"block is {block}", where="StructuredLinear", fix="choose at least 2")
        self.in_features, self.out_features = in_features, out_features
        self.block, self.structure = block, structure
        self.period = block if structure == "circulant" else 2 * block
        self.frequencies = self.period // 2 + 1
        reads, makes = (self.frequencies * -(-count // block) for count in (in_features, out_features))
        self.real = nn.Conv2d(reads, makes, 1, groups=self.frequencies, bias=False)
        self.imaginary = nn.Conv2d(reads, makes, 1, groups=self.frequencies, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None
        forth, back = _transforms(block, self.period)
        self.register_buffer("basis", forth)
        self.register_buffer("inverse", back)

    @classmethod
    def nearest(cls, layer: nn.Linear, block: int, structure: Literal["circulant", "toeplitz"]) -> Self:
        """Return the layer whose weight is nearest to a plain one's: each diagonal gets the mean of its entries."""
        # Its first weights are drawn only to be replaced.
        with torch.random.fork_rng(devices=[]):
            made = cls(layer.in_features, layer.out_features, block, structure, bias=layer.bias is not None)
        weight = functional.pad(layer.weight.detach().double(), (0, -layer.in_features % block))
        weight = functional.pad(weight, (0, 0, 0, -layer.out_features % block))
        blocks = weight.reshape(len(weight) // block, block, -1, block).transpose(1, 2)
        places = (torch.arange(block)[None] - torch.arange(block)[:, None]) % made.period
        sums = torch.zeros(*blocks.shape[:2], made.period, dtype=torch.float64)
        sums.index_add_(2, places.flatten(), blocks.flatten(2))
        means = sums / torch.bincount(places.flatten(), minlength=made.period).clamp_min(1)
        # A row slides over x rather than being mirrored, hence the conjugate.
        spectra = torch.fft.rfft(means).conj().permute(2, 0, 1).flatten(0, 1)[:, :, None, None]
        with torch.no_grad():
            made.real.weight.copy_(spectra.real)
            made.imaginary.weight.copy_(spectra.imag)
            if made.bias is not None and layer.bias is not None:
                made.bias.copy_(layer.bias)
        return made

    def dense(self) -> Tensor:
        """Return the weight as a plain matrix, (out_features, in_features)."""
        with torch.no_grad():
            made: Tensor = self(torch.eye(self.in_features, dtype=self.basis.dtype))
            return (made if self.bias is None else made - self.bias).T

    def forward(self, x: Tensor) -> Tensor:
        """Transform blocks, multiply spectra, and transform back."""
        lacking, beyond = -self.in_features % self.block, -self.out_features % self.block
        reads, makes = (self.in_features + lacking) // self.block, (self.out_features + beyond) // self.block
        x = functional.pad(x, (0, lacking)) if lacking else x
        spectra = functional.linear(x.reshape(-1, reads, self.block), self.basis)
        spectra = spectra.reshape(-1, reads, self.frequencies, 2).permute(0, 2, 1, 3)
        spectra = spectra.reshape(-1, self.frequencies * reads, 1, 2)
        straight, crossed = self.real(spectra), self.imaginary(spectra)
        real = straight[..., :1] - crossed[..., 1:]
        imaginary = straight[..., 1:] + crossed[..., :1]
        made = torch.cat((real, imaginary), dim=3)
        made = made.reshape(-1, self.frequencies, makes, 2).permute(0, 2, 1, 3)
        made = functional.linear(made.reshape(-1, makes, 2 * self.frequencies), self.inverse)
        made = made.reshape(-1, self.out_features + beyond)
        made = made[:, : self.out_features] if beyond else made
        return made if self.bias is None else made + self.bias

    def extra_repr(self) -> str:
        """Show the sizes."""
        return f"{self.in_features}, {self.out_features}, block={self.block}, {self.structure}"


def _transforms(block: int, period: int) -> tuple[Tensor, Tensor]:
    """Return matrices of the Fourier transform of b real numbers, and of its inverse: real and imaginary in turn."""
    frequencies = period // 2 + 1
    angles = 2 * math.pi / period * torch.outer(torch.arange(frequencies), torch.arange(block)).double()
    forth = torch.stack((angles.cos(), -angles.sin()), dim=1).flatten(0, 1)
    # The frequencies between stand for their mirror images too.
    weights = torch.full((frequencies, 1), 2.0, dtype=torch.float64)
    weights[0] = 1
    if period % 2 == 0:
        weights[-1] = 1
    back = torch.stack((weights * angles.cos(), -weights * angles.sin()), dim=1).flatten(0, 1).T / period
    return forth.float(), back.float()
