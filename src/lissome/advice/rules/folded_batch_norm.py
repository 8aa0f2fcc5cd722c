"""Batch normalisation behind a convolution is a scale and an offset of each channel: the convolution can have them.

`export` and the engines fold it; PyTorch does not, and a quantizer must see the folded weights.
"""

from typing import ClassVar

from torch import nn

from lissome.advice.case import Case
from lissome.advice.rule import Rule
from lissome.advice.tip import Tip


class FoldedBatchNorm(Rule):
    """Normalisations that could be folded."""

    name: ClassVar[str] = "folded_batch_norm"
    title: ClassVar[str] = "Batch normalisation that is not folded"
    source: ClassVar[str] = "Jacob et al. 2018, arXiv:1712.05877, Section 3.2"
    needs_network: ClassVar[bool] = True

    def check(self, case: Case) -> Tip | None:
        """Find normalisations whose only input is a convolution or linear layer that nobody else reads."""
        wiring = case.wiring
        if wiring is None:
            return None
        rows = []
        for call, layer in wiring.layers.items():
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and call in wiring.rows:
                inputs = wiring.calls[call].inputs
                before = wiring.layers.get(inputs[0]) if len(inputs) == 1 else None
                if isinstance(before, nn.Conv2d | nn.Linear) and len(wiring.readers[inputs[0]]) == 1:
                    rows.append(wiring.rows[call])
        cost = case.time(rows)
        return self.tip(
            case,
            rows,
            why=f"{len(rows)} normalisations read and write their tensors anew where PyTorch runs the network; engines "
            "fold them when it is exported",
            change="FoldBatchNorm()",
            step="FoldBatchNorm",
            cost_ms=cost,
            gain_ms=cost,
        )
