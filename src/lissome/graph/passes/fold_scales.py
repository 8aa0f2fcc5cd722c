"""Fold multiplications and additions of constants into the layer before them."""

from typing import ClassVar

from lissome.graph.passes.fold_batch_norms import FoldBatchNorms


class FoldScales(FoldBatchNorms):
    """Take arithmetic with constants into the layer before it."""

    purpose: ClassVar[str] = "fold arithmetic with constants into the layer before it"
    algebra: ClassVar[str] = "s·(W*x + b) + t = (s·W)*x + (s·b + t)"
    operators: ClassVar[tuple[str, ...]] = ("Mul", "Add", "Sub", "Div")
