"""What the roofline says of a network on a device."""

from dataclasses import dataclass
from typing import Any, Literal

from lissome.core.text_table import render
from lissome.devices.device import Device

Bound = Literal["compute", "memory", "none"]
_LIMITS: tuple[Bound, ...] = ("compute", "memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTime:
    """One call on the device.

    Args:
        layer: Path of the layer, or name of the operator's node.
        kind: Class or operator.
        ms: Least time it can take: the longer of arithmetic and memory.
        compute_ms: Time of its arithmetic at the peak.
        memory_ms: Time to move its bytes at full bandwidth.
        bound: Which of the two is longer; "none" for a view, which takes no time.
        flops_per_byte: Arithmetic intensity at the precision's size of numbers.
        attainable_flops_per_s: The roof above that intensity.
        is_fused: Whether an engine that fuses does it in the same go as the layer before it.
    """

    layer: str
    kind: str
    ms: float
    compute_ms: float
    memory_ms: float
    bound: Bound
    flops_per_byte: float
    attainable_flops_per_s: float
    is_fused: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The roofline of a network: what a device needs at the least, or about, if an efficiency is known.

    Args:
        device: The device.
        precision: What it computes in.
        rows: One for each row of the profile.
        total_ms: Their sum.
        fused_ms: The sum without the calls that an engine fuses with the layer before them.
        is_calibrated: Whether measured efficiencies are in it; without them no device is quicker than this.
    """

    device: Device
    precision: str
    rows: tuple[RowTime, ...]
    total_ms: float
    fused_ms: float
    is_calibrated: bool = False

    def ms_bound_by(self, bound: Bound) -> float:
        """Return the milliseconds of the calls that one roof limits."""
        return sum(row.ms for row in self.rows if row.bound == bound)

    def summary(self) -> str:
        """Return the prediction in one sentence."""
        model = "the roofline with measured efficiencies" if self.is_calibrated else "the roofline"
        shares = {one: self.ms_bound_by(one) / self.total_ms if self.total_ms else 0.0 for one in _LIMITS}
        limits = ", ".join(f"{share:.0%} bound by {one}" for one, share in shares.items())
        return (
            f"{self.device.title}, {self.precision}: {self.total_ms:.3f} ms by {model} ({limits}), "
            f"{self.fused_ms:.3f} ms with batch normalisation and activations fused"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the prediction as plain values."""
        return {
            "device": self.device.to_dict(),
            "precision": self.precision,
            "total_ms": self.total_ms,
            "fused_ms": self.fused_ms,
            "compute_bound_ms": self.ms_bound_by("compute"),
            "memory_bound_ms": self.ms_bound_by("memory"),
            "is_calibrated": self.is_calibrated,
            "rows": [row.to_dict() for row in self.rows],
        }

    def __str__(self) -> str:
        cells = [(row.layer, row.kind, row.bound, f"{row.flops_per_byte:.2f}", f"{row.ms:.4f}") for row in self.rows]
        title = f"{self.device.title}, {self.precision}"
        total = ("total", "", "", "", f"{self.total_ms:.4f}")
        return render(("layer", "kind", "bound by", "FLOPs/byte", "ms"), [*cells, total], title=title, left=3)
