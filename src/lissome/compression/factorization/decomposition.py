"""What every way to write a weight as a product of smaller ones has in common."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from lissome.compression.factorization.piece import Piece
from lissome.profiling.layer_kinds import LayerKind

Ranks = tuple[int, ...]

_MOST_RANKS = 16


class Decomposition(ABC):
    """One weight, and the products that come near it.

    Args:
        weight: (O, I, kh, kw), float64; of a fully connected layer (O, I, 1, 1).
        gram: XᵀX of what the layer reads, (I·kh·kw, I·kh·kw), where the error of the output shall be small; None for
            that of the weights.
    """

    def __init__(self, weight: Tensor, gram: Tensor | None = None) -> None:
        self.weight, self.gram = weight, gram

    @abstractmethod
    def grid(self, multiple_of: int) -> list[Ranks]:
        """Return the ranks to choose from, each number a multiple."""

    @abstractmethod
    def loss(self, ranks: Ranks) -> float:
        """Return the share of the energy (squared entries, or squared outputs) that is lost, [0, 1]."""

    @abstractmethod
    def pieces(self, kind: LayerKind, ranks: Ranks) -> tuple[Piece, ...]:
        """Return the layers of the product, in the order they are called."""

    @abstractmethod
    def weights(self, ranks: Ranks) -> tuple[Tensor, ...]:
        """Return their weights, each (makes, reads or 1, kernel height, kernel width)."""

    @abstractmethod
    def basis(self, weights: tuple[Tensor, ...]) -> Tensor:
        """Return what the last layer mixes: (columns of its weight, I·kh·kw), so that W ≈ last · basis."""

    def vbmf(self, multiple_of: int) -> Ranks | None:
        """Return the ranks that stand out of noise, rounded up to multiples; None where that is not defined."""
        del multiple_of
        return None

    @property
    def flat(self) -> Tensor:
        """The weight as a matrix, (O, I·kh·kw)."""
        return self.weight.flatten(1)


def multiples(most: int, multiple_of: int) -> list[int]:
    """Return at most 16 multiples up to a number, evenly spaced.

    Example:
        >>> multiples(20, 8), multiples(512, 8)[:3], multiples(4, 8)
        ([8, 16], [32, 64, 96], [])
    """
    every = list(range(multiple_of, most + 1, multiple_of))
    stride = -(-len(every) // _MOST_RANKS) or 1
    return every[stride - 1 :: stride]


def rounded_up(rank: int, multiple_of: int, most: int) -> int:
    """Return the next multiple, at most a number, at least one multiple of those that there are.

    Example:
        >>> rounded_up(9, 8, 64), rounded_up(0, 8, 64), rounded_up(60, 8, 60)
        (16, 8, 60)
    """
    return min(most, max(1, -(-rank // multiple_of)) * multiple_of)


def fitted(last: Tensor, basis: Tensor, flat: Tensor, gram: Tensor) -> Tensor:
    """Return the last layer's weight that brings the outputs nearest: ``W G Bᵀ (B G Bᵀ)⁻¹``.

    Args:
        last: Its weight so far, whose shape it keeps.
        basis: What it mixes, B.
        flat: The weight that is approximated, W.
        gram: XᵀX of what the layer reads, G.
    """
    mixed = basis @ gram
    system = mixed @ basis.T
    system = system + 1e-8 * system.diagonal().mean().clamp_min(1e-30) * torch.eye(len(system), dtype=system.dtype)
    solved: Tensor = torch.linalg.solve(system, mixed @ flat.T)
    return solved.T.reshape(last.shape)
