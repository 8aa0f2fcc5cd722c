"""Four layers for one: a sum of products of vectors (CP)."""

import functools

import torch
from torch import Tensor

from lissome.compression.factorization.decomposition import Decomposition, Ranks, multiples
from lissome.compression.factorization.piece import Piece, along, pointwise
from lissome.profiling.layer_kinds import LayerKind

_ROUNDS = 40
_RIDGE = 1e-6
_ENOUGH = 1e-5
_MODES = "oihw"


class Canonical(Decomposition):
    """1 x 1 from I to R, kh x 1 and 1 x kw depthwise, 1 x 1 from R to O: W = Σ_r o_r ⊗ i_r ⊗ h_r ⊗ w_r.

    Found by alternating least squares; each rank is a search of its own.

    Source:
        Lebedev et al. 2015, Speeding-up Convolutional Neural Networks Using Fine-tuned CP-Decomposition,
        arXiv:1412.6553, section 3.

    Example:
        >>> weight = torch.ones(16, 8, 3, 3, dtype=torch.float64)
        >>> Canonical(weight).loss((1,)) < 1e-9
        True
    """

    def __init__(self, weight: Tensor, gram: Tensor | None = None) -> None:
        super().__init__(weight, gram)
        self._found: dict[int, tuple[tuple[Tensor, ...], float]] = {}

    def grid(self, multiple_of: int) -> list[Ranks]:
        """Return multiples up to the number of channels, in or out, whichever is more."""
        return [(one,) for one in multiples(max(self.weight.shape[:2]), multiple_of)]

    def loss(self, ranks: Ranks) -> float:
        """Return the share of the energy that the sum lacks."""
        return self._factors(ranks[0])[1]

    def weights(self, ranks: Ranks) -> tuple[Tensor, ...]:
        """Return the weights of the four layers."""
        outputs, inputs, high, wide = self._factors(ranks[0])[0]
        return (
            inputs.T[:, :, None, None],
            high.T[:, None, :, None],
            wide.T[:, None, None, :],
            outputs[:, :, None, None],
        )

    def pieces(self, kind: LayerKind, ranks: Ranks) -> tuple[Piece, ...]:
        """Return the four layers."""
        (rank,) = ranks
        first = Piece(pointwise(kind.size), self.weight.shape[1], rank)
        column = Piece(along(kind, 0, kind.size, groups=0), rank, rank)
        row = Piece(along(kind, 1, column.output, groups=0), rank, rank)
        return first, column, row, Piece(pointwise(row.output), rank, self.weight.shape[0])

    def basis(self, weights: tuple[Tensor, ...]) -> Tensor:
        """Return the R filters of rank one."""
        inputs, high, wide = weights[0].flatten(1), weights[1].flatten(1), weights[2].flatten(1)
        return torch.einsum("ri,rh,rw->rihw", inputs, high, wide).flatten(1)

    def _factors(self, rank: int) -> tuple[tuple[Tensor, ...], float]:
        if rank not in self._found:
            factors = alternating_least_squares(self.weight, rank)
            difference = self.weight - torch.einsum("or,ir,hr,wr->oihw", *factors)
            whole = float(self.weight.square().sum())
            self._found[rank] = factors, min(1.0, float(difference.square().sum()) / whole) if whole else 0.0
        return self._found[rank]


def alternating_least_squares(weight: Tensor, rank: int) -> tuple[Tensor, ...]:
    """Return one matrix (size of the axis, R) an axis, whose columns' products add up to nearly the weight.

    Args:
        weight: (O, I, kh, kw), float64.
        rank: Number of products, ≥ 1.
    """
    factors = [_start(weight.movedim(axis, 0).flatten(1), rank, axis) for axis in range(4)]
    before = float("inf")
    whole = float(weight.square().sum())
    for _ in range(_ROUNDS):
        for axis, mode in enumerate(_MODES):
            others = [place for place in range(4) if place != axis]
            terms = ",".join(f"{_MODES[place]}r" for place in others)
            projected = torch.einsum(f"oihw,{terms}->{mode}r", weight, *(factors[place] for place in others))
            system = functools.reduce(torch.mul, [factors[place].T @ factors[place] for place in others])
            damped = system + _RIDGE * system.diagonal().mean() * torch.eye(rank, dtype=weight.dtype)
            solved = torch.linalg.solve(damped, projected.T).T
            factors[axis] = solved
        # |W - W'|² without making W': the last axis was solved exactly, save for the ridge.
        left = whole - float((projected * solved).sum())
        if before - left < _ENOUGH * whole:
            break
        before = left
    return _balanced(factors)


@functools.cache
def _random(rows: int, rank: int, seed: int) -> Tensor:
    return torch.randn(rows, rank, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _start(unfolded: Tensor, rank: int, axis: int) -> Tensor:
    """Return the first eigenvectors of an axis, and random columns where there are too few."""
    vectors = torch.linalg.eigh(unfolded @ unfolded.T).eigenvectors.flip(1)[:, :rank]
    lacking = rank - vectors.shape[1]
    return torch.cat([vectors, _random(len(vectors), lacking, axis)], dim=1) if lacking else vectors


def _balanced(factors: list[Tensor]) -> tuple[Tensor, ...]:
    """Give all four vectors of a product the same length, so that none is huge beside another."""
    lengths = [one.norm(dim=0).clamp_min(1e-30) for one in factors]
    each = functools.reduce(torch.mul, lengths) ** (1 / len(factors))
    return tuple(one / length * each for one, length in zip(factors, lengths, strict=True))
