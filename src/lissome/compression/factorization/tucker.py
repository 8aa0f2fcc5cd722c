"""Three layers for one: fewer channels in, fewer out, and a small core between (Tucker-2)."""

import functools

import torch
from torch import Tensor

from lissome.compression.factorization.decomposition import Decomposition, Ranks, multiples, rounded_up
from lissome.compression.factorization.piece import Piece, pointwise
from lissome.compression.factorization.vbmf import vbmf_rank
from lissome.profiling.layer_kinds import LayerKind

_ROUNDS = 10


class Tucker(Decomposition):
    """1 x 1 from I to R, k x k from R to S, 1 x 1 from S to O; where R = I or S = O that 1 x 1 is left out.

    The bases are those of the two unfoldings (HOSVD), bettered in turns (HOOI).

    Source:
        Kim et al. 2016, Compression of Deep Convolutional Neural Networks for Fast and Low Power Mobile Applications,
        arXiv:1511.06530, section 3.1; turns: De Lathauwer et al. 2000, SIAM J. Matrix Anal. 21(4).

    Example:
        >>> weight = torch.ones(16, 8, 3, 3, dtype=torch.float64)
        >>> [tuple(one.shape) for one in Tucker(weight).weights((2, 4))]
        [(2, 8, 1, 1), (4, 2, 3, 3), (16, 4, 1, 1)]
    """

    @functools.cached_property
    def _bases(self) -> tuple[Tensor, Tensor]:
        """Orthonormal bases of inputs (I, I) and outputs (O, O), the most energetic first."""
        return _basis(self.weight.movedim(1, 0)), _basis(self.weight)

    @functools.cached_property
    def _energies(self) -> Tensor:
        """Energy of the core by input and output rank, summed up: entry (R, S) is what ranks R and S hold."""
        inputs, outputs = self._bases
        core = torch.einsum("oihw,ir,os->rshw", self.weight, inputs, outputs)
        sums = core.square().sum((2, 3)).cumsum(0).cumsum(1)
        return torch.nn.functional.pad(sums, (1, 0, 1, 0))

    def grid(self, multiple_of: int) -> list[Ranks]:
        """Return pairs of multiples, or all channels of one side."""
        makes, reads = self.weight.shape[:2]
        before = [*multiples(reads - 1, multiple_of), reads]
        after = [*multiples(makes - 1, multiple_of), makes]
        return [(one, other) for one in before for other in after if (one, other) != (reads, makes)]

    def loss(self, ranks: Ranks) -> float:
        """Return the share of the energy that HOSVD's core lacks; the turns lose no more."""
        whole = float(self._energies[-1, -1])
        return max(0.0, 1 - float(self._energies[ranks]) / whole) if whole else 0.0

    def vbmf(self, multiple_of: int) -> Ranks:
        """Return the ranks of the two unfoldings."""
        unfoldings = (self.weight.movedim(1, 0).flatten(1), self.flat)
        ranks = [vbmf_rank(torch.linalg.svdvals(one), *one.shape) for one in unfoldings]
        return tuple(rounded_up(rank, multiple_of, len(one)) for rank, one in zip(ranks, unfoldings, strict=True))

    def weights(self, ranks: Ranks) -> tuple[Tensor, ...]:
        """Return the weights of two or three layers."""
        makes, reads = self.weight.shape[:2]
        before, after = ranks
        inputs, outputs = self._bases
        inputs, outputs = inputs[:, :before], outputs[:, :after]
        if before < reads and after < makes:
            for _ in range(_ROUNDS):
                outputs = _basis(torch.einsum("oihw,ir->orhw", self.weight, inputs))[:, :after]
                inputs = _basis(torch.einsum("oihw,os->ishw", self.weight, outputs))[:, :before]
        core = self.weight
        if before < reads:
            core = torch.einsum("oihw,ir->orhw", core, inputs)
        if after < makes:
            core = torch.einsum("oihw,os->sihw", core, outputs)
        first = (inputs.T[:, :, None, None],) if before < reads else ()
        last = (outputs[:, :, None, None],) if after < makes else ()
        return (*first, core, *last)

    def pieces(self, kind: LayerKind, ranks: Ranks) -> tuple[Piece, ...]:
        """Return the two or three layers."""
        makes, reads = self.weight.shape[:2]
        before, after = ranks
        first = (Piece(pointwise(kind.size), reads, before),) if before < reads else ()
        core = Piece(kind, before, after)
        last = (Piece(pointwise(core.output), after, makes),) if after < makes else ()
        return (*first, core, *last)

    def basis(self, weights: tuple[Tensor, ...]) -> Tensor:
        """Return the filters that the last 1 x 1 mixes; without one, the inputs' basis at each place of the core."""
        if len(weights) == 2:
            high, wide = weights[1].shape[2:]
            places = torch.eye(high * wide, dtype=self.weight.dtype)
            first = weights[0]
            return first.flatten(1) if len(places) == 1 else torch.kron(first.flatten(1), places)
        return torch.einsum("srhw,ri->sihw", weights[1], weights[0].flatten(1)).flatten(1)


def _basis(tensor: Tensor) -> Tensor:
    """Return the eigenvectors of the first axis, the most energetic first."""
    flat = tensor.flatten(1)
    vectors: Tensor = torch.linalg.eigh(flat @ flat.T).eigenvectors
    return vectors.flip(1)
