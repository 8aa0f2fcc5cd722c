"""At few channels a plain convolution beats a separable one on accelerators.

A depthwise and a 1x1 convolution have k²·c2 / (k² + c2) times fewer multiply-adds than the plain one they replace, but
write and read the tensor between them. Where the plain one is not limited by arithmetic, it is quicker.
"""

from typing import ClassVar

from lissome.advice.case import Case
from lissome.advice.rule import Rule
from lissome.advice.shapes import as_convolution, channels_out, is_depthwise, is_pointwise
from lissome.advice.tip import Tip

_NEAR = 4


class PlainAtFewChannels(Rule):
    """Separable convolutions that a plain one would beat."""

    name: ClassVar[str] = "plain_at_few_channels"
    title: ClassVar[str] = "Separable convolutions of few channels on an accelerator"
    source: ClassVar[str] = "Tan and Le 2021, EfficientNetV2, arXiv:2104.00298, Section 3.2"

    def check(self, case: Case) -> Tip | None:
        """Compare each pair of depthwise and 1x1 with the plain convolution."""
        if case.device.kind == "cpu":
            return None
        pairs: list[int] = []
        gain = cost = 0.0
        for place, row in enumerate(case.rows):
            if not is_depthwise(row):
                continue
            behind = range(place + 1, min(place + _NEAR, len(case.rows)))
            point = next((one for one in behind if is_pointwise(case.rows[one])), None)
            if point is None or case.rows[point].inputs[0] != row.output:
                continue
            plain = as_convolution(row, channels=(row.inputs[0][1], channels_out(case.rows[point])), groups=1)
            between = list(range(place, point + 1))
            saved = case.gain(between, [plain])
            if saved > 0:
                pairs += [place, point]
                gain, cost = gain + saved, cost + case.time(between)
        channels = [case.rows[one].output[1] for one in pairs]
        return self.tip(
            case,
            pairs,
            why=f"{len(pairs) // 2} pairs of depthwise and 1x1 of {min(channels, default=0)} to "
            f"{max(channels, default=0)} channels: a plain convolution moves less, and its arithmetic is not the limit",
            change="use a plain convolution in their place",
            cost_ms=cost,
            gain_ms=gain,
        )
