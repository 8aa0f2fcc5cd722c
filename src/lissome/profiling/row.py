"""One call of a network, as figures."""

from dataclasses import dataclass
from typing import Any

from lissome.profiling.torchstat import TorchstatCount


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One call of one layer or operator.

    Args:
        layer: Path of the layer, or name of the operator's node.
        scope: Path of the module in whose forward it is called; a layer's own path.
        kind: Class or operator.
        operator: The operator's plain name: "conv2d" for a layer and a function alike.
        inputs: Shapes of what it reads.
        output: Shape of what it makes.
        params: Parameters; a layer called again counts 0.
        macs: Multiply-adds of convolutions and fully connected layers.
        flops: Floating-point operations by formula.
        bytes_read: Bytes of inputs and weights, as float32; a view reads none.
        bytes_written: Bytes of the result, as float32; a view writes none.
        memory_bytes: Bytes of the activation it makes, as float32.
        groups: Groups of a convolution.
        kernel: Kernel of a convolution; None for everything else.
        is_fused: Whether an engine that fuses does it in the same go as the layer before it.
        is_known: Whether the operator's formula is known; if not, its operations are missing.
        torchstat: The figures of a layer in torchstat's convention, if that was asked for.
        measured_ms: Its time in PyTorch, if that was measured (`Profile.with_durations`).
    """

    layer: str
    scope: str
    kind: str
    operator: str
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    params: int
    macs: int
    flops: int
    bytes_read: int
    bytes_written: int
    memory_bytes: int
    groups: int = 1
    kernel: tuple[int, ...] | None = None
    is_fused: bool = False
    is_known: bool = True
    torchstat: TorchstatCount | None = None
    measured_ms: float | None = None

    @property
    def bytes_moved(self) -> int:
        """Bytes read and written."""
        return self.bytes_read + self.bytes_written

    @property
    def macs_per_byte(self) -> float:
        """Multiply-adds for each byte moved."""
        return self.macs / self.bytes_moved if self.bytes_moved else 0.0

    @property
    def flops_per_byte(self) -> float:
        """Arithmetic intensity."""
        return self.flops / self.bytes_moved if self.bytes_moved else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain values; in torchstat's convention its figures are added and its "flops" are shown."""
        names = (
            "layer",
            "scope",
            "kind",
            "operator",
            "params",
            "macs",
            "flops",
            "bytes_read",
            "bytes_written",
            "bytes_moved",
        )
        shapes = {"inputs": [list(one) for one in self.inputs], "output": list(self.output)}
        rest = {
            "memory_bytes": self.memory_bytes,
            "macs_per_byte": self.macs_per_byte,
            "flops_per_byte": self.flops_per_byte,
            "groups": self.groups,
            "kernel": None if self.kernel is None else list(self.kernel),
            "is_fused": self.is_fused,
            "is_known": self.is_known,
        }
        table = {name: getattr(self, name) for name in names} | shapes | rest
        table |= {} if self.measured_ms is None else {"measured_ms": self.measured_ms}
        return table | (self.torchstat.to_dict() if self.torchstat else {})
