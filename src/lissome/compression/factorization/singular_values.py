"""Two layers for one: the singular values of the weight as a matrix."""

import functools
from abc import abstractmethod

import torch
from torch import Tensor

from lissome.compression.factorization.decomposition import Decomposition, Ranks, multiples, rounded_up
from lissome.compression.factorization.piece import Piece, along, pointwise
from lissome.compression.factorization.vbmf import vbmf_rank
from lissome.profiling.layer_kinds import LayerKind


class _OneMatrix(Decomposition):
    """A weight laid out as one matrix M = L R, whose rank is cut."""

    @property
    @abstractmethod
    def matrix(self) -> Tensor:
        """The weight as the matrix that is split."""

    @functools.cached_property
    def split(self) -> tuple[Tensor, Tensor, Tensor]:
        """U, S and Vᵀ of the matrix."""
        left, values, right = torch.linalg.svd(self.matrix, full_matrices=False)
        return left, values, right

    @functools.cached_property
    def energies(self) -> Tensor:
        """What each rank adds, descending."""
        return self.split[1].square()

    def grid(self, multiple_of: int) -> list[Ranks]:
        """Return multiples below the full rank."""
        return [(one,) for one in multiples(len(self.energies) - 1, multiple_of)]

    def loss(self, ranks: Ranks) -> float:
        """Return the share of the energies left out."""
        whole = float(self.energies.sum())
        return float(self.energies[ranks[0] :].sum()) / whole if whole else 0.0

    def vbmf(self, multiple_of: int) -> Ranks:
        """Return the rank of the matrix."""
        rank = vbmf_rank(self.split[1], *self.matrix.shape)
        return (rounded_up(rank, multiple_of, len(self.split[1])),)

    def _halves(self, rank: int) -> tuple[Tensor, Tensor]:
        left, values, right = self.split
        root = values[:rank].sqrt()
        return left[:, :rank] * root, root[:, None] * right[:rank]


class Channel(_OneMatrix):
    """Fewer filters, mixed by a 1x1 convolution: k x k from I to R, then 1 x 1 from R to O.

    With a Gram matrix G the filters are those by which the *outputs* are nearest: the first eigenvectors U of W G Wᵀ
    give ``U · (Uᵀ W)``.

    Source:
        Zhang et al. 2016, Accelerating Very Deep Convolutional Networks, arXiv:1505.06798, section 3.1.

    Example:
        >>> weight = torch.ones(8, 4, 3, 3, dtype=torch.float64)
        >>> Channel(weight).loss((1,)) < 1e-12
        True
    """

    @functools.cached_property
    def matrix(self) -> Tensor:
        """(O, I·kh·kw)."""
        return self.flat

    @functools.cached_property
    def _outputs(self) -> tuple[Tensor, Tensor]:
        assert self.gram is not None
        values, vectors = torch.linalg.eigh(self.flat @ self.gram @ self.flat.T)
        return values.flip(0).clamp_min(0), vectors.flip(1)

    @functools.cached_property
    def energies(self) -> Tensor:
        """Of the weights, or of the outputs."""
        return self.split[1].square() if self.gram is None else self._outputs[0]

    def weights(self, ranks: Ranks) -> tuple[Tensor, ...]:
        """Return filters (R, I, kh, kw) and mix (O, R, 1, 1)."""
        if self.gram is None:
            mix, filters = self._halves(ranks[0])
        else:
            mix = self._outputs[1][:, : ranks[0]]
            filters = mix.T @ self.flat
        return filters.reshape(-1, *self.weight.shape[1:]), mix[:, :, None, None]

    def pieces(self, kind: LayerKind, ranks: Ranks) -> tuple[Piece, ...]:
        """Return the two layers."""
        first = Piece(kind, self.weight.shape[1], ranks[0])
        return first, Piece(pointwise(first.output), ranks[0], self.weight.shape[0])

    def basis(self, weights: tuple[Tensor, ...]) -> Tensor:
        """Return the filters."""
        return weights[0].flatten(1)


class Spatial(_OneMatrix):
    """A column and a row: kh x 1 from I to R, then 1 x kw from R to O.

    Source:
        Jaderberg, Vedaldi and Zisserman 2014, Speeding up Convolutional Neural Networks with Low Rank Expansions,
        arXiv:1405.3866, scheme 2.

    Example:
        >>> weight = torch.ones(8, 4, 3, 3, dtype=torch.float64)
        >>> [tuple(one.shape) for one in Spatial(weight).weights((2,))]
        [(2, 4, 3, 1), (8, 2, 1, 3)]
    """

    @functools.cached_property
    def matrix(self) -> Tensor:
        """(I·kh, O·kw)."""
        return self.weight.permute(1, 2, 0, 3).flatten(2).flatten(0, 1)

    def weights(self, ranks: Ranks) -> tuple[Tensor, ...]:
        """Return columns (R, I, kh, 1) and rows (O, R, 1, kw)."""
        makes, reads, high, wide = self.weight.shape
        left, right = self._halves(ranks[0])
        columns = left.T.reshape(-1, reads, high, 1)
        return columns, right.reshape(-1, makes, wide).permute(1, 0, 2)[:, :, None]

    def pieces(self, kind: LayerKind, ranks: Ranks) -> tuple[Piece, ...]:
        """Return the two layers."""
        first = Piece(along(kind, 0, kind.size), self.weight.shape[1], ranks[0])
        return first, Piece(along(kind, 1, first.output), ranks[0], self.weight.shape[0])

    def basis(self, weights: tuple[Tensor, ...]) -> Tensor:
        """Return the columns, once at each place of the row."""
        wide = self.weight.shape[3]
        places = torch.eye(wide, dtype=self.weight.dtype)
        return torch.einsum("rih,vw->rvihw", weights[0].squeeze(3), places).flatten(2).flatten(0, 1)
