"""G4: element-wise operators have next to no arithmetic and move whole tensors.

A normalisation, ReLU or ReLU6 directly behind a convolution is fused by every engine and does not count here. Sums,
products, concatenations, activations that need exponentials or divisions, and normalisation before a convolution do.
"""

from typing import ClassVar

from lissome.advice.case import Case, Wiring
from lissome.advice.rule import Rule
from lissome.advice.tip import Tip

_SMOOTH = ("hardswish", "silu", "gelu", "mish", "elu", "selu", "celu", "sigmoid", "hardsigmoid", "tanh", "softplus")
_FUSED = ("relu", "relu_", "relu6", "clamp", "hardtanh", "batch_norm", "identity")
_COMBINING = (
    "add",
    "iadd",
    "add_",
    "mul",
    "imul",
    "mul_",
    "sub",
    "div",
    "truediv",
    "cat",
    "concat",
    "prelu",
    "leaky_relu",
)
_LIMIT = 0.15  # a residual network's own sums stay below


class FewElementwise(Rule):
    """Much time in operators without arithmetic."""

    name: ClassVar[str] = "few_elementwise"
    title: ClassVar[str] = "G4, element-wise operators"
    source: ClassVar[str] = "Ma et al. 2018, ShuffleNetV2, arXiv:1807.11164, guideline 4"
    needs_network: ClassVar[bool] = True

    def check(self, case: Case) -> Tip | None:
        """Add up what no engine fuses."""
        wiring = case.wiring
        if wiring is None:
            return None
        rows = [row for call, row in wiring.rows.items() if _stands_alone(call, row, case, wiring)]
        cost = case.time(rows)
        if cost < _LIMIT * case.total_ms:
            return None
        smooth = [row for row in rows if case.rows[row].operator in _SMOOTH]
        kinds = sorted({case.rows[row].kind for row in sorted(rows, key=lambda row: -case.ms[row])[:6]})
        change = (
            "put ReLU in the place of the smooth activations: engines fuse it into the convolution"
            if smooth
            else "use fewer shortcuts and concatenations, and normalise behind convolutions instead of before them"
        )
        return self.tip(
            case,
            rows,
            why=f"{len(rows)} operators ({', '.join(kinds)}) move their tensors and compute almost nothing",
            change=change,
            cost_ms=cost,
            gain_ms=case.time(smooth) if smooth else None,
        )


def _stands_alone(call: int, row: int, case: Case, wiring: Wiring) -> bool:
    operator = case.rows[row].operator
    if operator in _FUSED:
        return not _follows_convolution(call, case, wiring)
    return operator in _SMOOTH or operator in _COMBINING


def _follows_convolution(call: int, case: Case, wiring: Wiring) -> bool:
    """Tell whether only what fuses lies between a call and a convolution or linear layer, or a sum behind one."""
    while True:
        inputs = wiring.calls[call].inputs
        if len(inputs) != 1 or inputs[0] not in wiring.rows:
            return False
        call = inputs[0]
        operator = case.rows[wiring.rows[call]].operator
        if operator in ("conv2d", "linear", "conv1d", "add", "iadd"):
            return True
        if operator not in _FUSED:
            return False
