"""float32 where int8 pays: only said where the device has arithmetic for it, or where it was measured.

int8 moves a quarter of the bytes, and multiplies faster only on chips with instructions for it (VNNI, dot product, AMX,
tensor cores): without them it is often slower.
"""

from dataclasses import replace
from typing import ClassVar

from lissome.advice.case import Case
from lissome.advice.rule import Rule
from lissome.advice.tip import Tip

_OPERATORS = ("conv2d", "linear", "conv1d")
_FASTER = 1.5


class IntegersWhereTheyPay(Rule):
    """A float network on a device with quick integers."""

    name: ClassVar[str] = "integers_where_they_pay"
    title: ClassVar[str] = "float32 where int8 pays"
    source: ClassVar[str] = "the device's int8 and float32 peaks; onnxruntime#12854, ncnn#1617 for where it does not"

    def check(self, case: Case) -> Tip | None:
        """Compare the roofline of both precisions on convolutions and linear layers, or the measured times."""
        if case.is_quantized or case.precision == "int8":
            return None
        rows = [place for place, row in enumerate(case.rows) if row.operator in _OPERATORS]
        peaks = case.device.peak_flops_per_s
        measured = case.measured_int8_ms
        if measured is not None:
            gain = case.total_ms - measured
            why = f"measured: {case.total_ms:.3g} ms in float32, {measured:.3g} ms in int8 on the same engine"
        elif peaks.get("int8", 0.0) >= _FASTER * peaks.get(case.precision, float("inf")):
            before = case.predicted(case.rows[one] for one in rows)
            after = case.predicted((case.rows[one] for one in rows), precision="int8")
            gain = case.time(rows) * (1 - after / before) if before else 0.0
            ratio = peaks["int8"] / peaks[case.precision]
            why = f"{case.device.title} does {ratio:.1f} times as many int8 operations a second as {case.precision}"
        else:
            return None
        if gain <= 0:
            return None
        found = self.tip(
            case,
            rows,
            why=why,
            change="Quantize(); measure before and after, since some networks gain nothing",
            step="Quantize",
            cost_ms=case.time(rows),
            gain_ms=gain,
        )
        return found if found is None or measured is None else replace(found, gain_basis="measured")
