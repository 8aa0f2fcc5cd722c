"""The cost of a network as figures: a row for each call, and the whole."""

from dataclasses import dataclass
from typing import Any, Literal

from lissome.core.text_table import render
from lissome.profiling.memory import PeakMemory
from lissome.profiling.prediction import Prediction
from lissome.profiling.torchstat import TorchstatCount

Convention = Literal["macs", "formula", "torchstat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One call of one layer or operator.

    Args:
        layer: Path of the layer, or name of the operator's node.
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
        is_known: Whether the operator's formula is known; if not, its operations are missing.
        torchstat: The figures of a layer in torchstat's convention, if that was asked for.
    """

    layer: str
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
    is_known: bool = True
    torchstat: TorchstatCount | None = None

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
        names = ("layer", "kind", "params", "macs", "flops", "bytes_read", "bytes_written", "bytes_moved")
        shapes = {"inputs": [list(one) for one in self.inputs], "output": list(self.output)}
        rest = {
            "memory_bytes": self.memory_bytes,
            "macs_per_byte": self.macs_per_byte,
            "flops_per_byte": self.flops_per_byte,
            "groups": self.groups,
            "kernel": None if self.kernel is None else list(self.kernel),
            "is_known": self.is_known,
        }
        table = {name: getattr(self, name) for name in names} | shapes | rest
        return table | (self.torchstat.to_dict() if self.torchstat else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The cost of a network for one input: rows in order of execution, and totals.

    Args:
        name: The network.
        inputs: Shapes of the inputs.
        rows: One for each call.
        params: Parameters, each counted once.
        peak_memory: Greatest memory of activations at once.
        convention: Which figures are shown; all of them are there.
        prediction: The roofline on a device, if one was named.
    """

    name: str
    inputs: tuple[tuple[int, ...], ...]
    rows: tuple[Row, ...]
    params: int
    peak_memory: PeakMemory
    convention: Convention = "macs"
    prediction: Prediction | None = None

    @property
    def macs(self) -> int:
        """Multiply-adds of convolutions and fully connected layers."""
        return sum(row.macs for row in self.rows)

    @property
    def flops(self) -> int:
        """Floating-point operations by formula."""
        return sum(row.flops for row in self.rows)

    @property
    def bytes_moved(self) -> int:
        """Bytes read and written as float32, over all calls."""
        return sum(row.bytes_moved for row in self.rows)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Operators whose formula is not known: their operations are missing from the totals."""
        return tuple(dict.fromkeys(row.operator for row in self.rows if not row.is_known))

    @property
    def torchstat(self) -> TorchstatCount:
        """Totals in torchstat's convention; all 0 unless it was asked for."""
        return sum((row.torchstat for row in self.rows if row.torchstat), TorchstatCount())

    def to_dict(self) -> dict[str, Any]:
        """Return the profile as plain values; in torchstat's convention rows and totals are those of its layers."""
        is_torchstat = self.convention == "torchstat"
        table: dict[str, Any] = {
            "name": self.name,
            "inputs": [list(one) for one in self.inputs],
            "convention": self.convention,
            "params": self.params,
            "macs": self.macs,
            "flops": self.flops,
            "bytes_moved": self.bytes_moved,
            "unknown": list(self.unknown),
            **(self.torchstat.to_dict() if is_torchstat else {}),
            "peak_memory": self.peak_memory.to_dict(),
            "rows": [row.to_dict() for row in self.rows if row.torchstat or not is_torchstat],
        }
        return table | ({"prediction": self.prediction.to_dict()} if self.prediction else {})

    def __str__(self) -> str:
        columns = ("layer", "kind", "output", "params", "MACs", "bytes", "MACs/byte")
        cells = [
            (
                *(row.layer, row.kind, "x".join(map(str, row.output))),
                *(f"{number:,}" for number in (row.params, row.macs, row.bytes_moved)),
                f"{row.macs_per_byte:.2f}",
            )
            for row in self.rows
        ]
        total = ("total", "", "", f"{self.params:,}", f"{self.macs:,}", f"{self.bytes_moved:,}", "")
        return render(columns, [*cells, total], title=self.name, left=3)
