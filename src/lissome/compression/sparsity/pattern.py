"""Which weights are zero together: single ones, N of M, or blocks."""

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from lissome.core.errors import SettingError

UNSTRUCTURED = "unstructured"
_N_OF_M = re.compile(r"([1-9]\d*):([1-9]\d*)")
_BLOCK = re.compile(r"([1-9]\d*)x([1-9]\d*)")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A form of sparsity, on the matrix (output channels, input channels) at each position of the kernel.

    Args:
        rows: Output channels of a block.
        columns: Input channels of a block.
        keep: Of each `columns` neighbouring input channels this many stay; 0 for blocks, which stay or go whole.
    """

    rows: int
    columns: int
    keep: int = 0

    @property
    def sparsity(self) -> float | None:
        """The share of zeros that the pattern itself sets; None where it is free."""
        return 1 - self.keep / self.columns if self.keep else None

    def obstacle(self, weight: Tensor) -> str | None:
        """Return why a weight tensor cannot have this pattern, or None."""
        rows, columns = weight.shape[:2]
        if rows % self.rows or columns % self.columns:
            return f"{rows} x {columns} channels do not divide into {self.rows} x {self.columns}"
        return None

    def magnitudes(self, weight: Tensor) -> Tensor:
        """Return the mean absolute weight of each block.

        Shape:
            weight: (out, in, *kernel). Returns (kernel, out / rows, in / columns).
        """
        return self._blocks(weight).abs().mean(dim=(2, 4))

    def mask_of(self, kept: Tensor, weight: Tensor) -> Tensor:
        """Return which weights stay, from which blocks do.

        Shape:
            kept: (kernel, out / rows, in / columns) bool. Returns the shape of `weight`, bool.
        """
        blocks = kept[:, :, None, :, None].expand_as(self._blocks(weight))
        return _as_weight(blocks.reshape(kept.shape[0], *weight.shape[:2]), weight)

    def largest_of(self, weight: Tensor) -> Tensor:
        """Return which weights are the `keep` largest of their neighbours; earlier ones first among equals."""
        groups = self._blocks(weight).abs()
        order = groups.argsort(dim=-1, descending=True, stable=True)[..., : self.keep]
        mask = torch.zeros_like(groups, dtype=torch.bool).scatter_(-1, order, value=True)
        return _as_weight(mask.reshape(-1, *weight.shape[:2]), weight)

    def _blocks(self, weight: Tensor) -> Tensor:
        matrices = weight.detach().flatten(2).permute(2, 0, 1) if weight.ndim > 2 else weight.detach()[None]
        rows, columns = weight.shape[:2]
        return matrices.reshape(-1, rows // self.rows, self.rows, columns // self.columns, self.columns)


def _as_weight(matrices: Tensor, weight: Tensor) -> Tensor:
    return matrices.permute(1, 2, 0).reshape(weight.shape)


def parse_pattern(text: str) -> Pattern:
    """Return what a word means: "unstructured", "2:4" (2 of 4 stay) or "4x1" (4 output channels, 1 input channel).

    Raises:
        SettingError: It is none of them.

    Example:
        >>> parse_pattern("2:4"), parse_pattern("16x1")
        (Pattern(rows=1, columns=4, keep=2), Pattern(rows=16, columns=1, keep=0))
    """
    if text == UNSTRUCTURED:
        return Pattern(1, 1)
    if found := _N_OF_M.fullmatch(text):
        keep, columns = map(int, found.groups())
        if keep < columns:
            return Pattern(1, columns, keep)
    elif found := _BLOCK.fullmatch(text):
        return Pattern(*map(int, found.groups()))
    raise SettingError(
        f"pattern is {text!r}", where="PruneWeights", fix='choose "unstructured", N:M such as "2:4", or "4x1"'
    )
