"""The cost of a network as figures: a row for each call, totals, peak memory, prediction."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lissome.profiling.listing import Convention, csv_of, listing, table_of
from lissome.profiling.memory import PeakMemory
from lissome.profiling.prediction import Prediction
from lissome.profiling.row import Row
from lissome.profiling.torchstat import TorchstatCount

__all__ = ["Convention", "Profile", "Row"]


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

    def with_durations(self, calls: Sequence[tuple[str, float]]) -> "Profile":
        """Return the profile with the measured time of each layer, torchstat's "duration".

        Args:
            calls: Layer and milliseconds of each call, in order of execution; a row that is not among them gets 0.
        """
        times: dict[str, deque[float]] = {}
        for layer, ms in calls:
            times.setdefault(layer, deque()).append(ms)
        rows = tuple(
            replace(row, measured_ms=times[row.layer].popleft() if times.get(row.layer) else 0.0) for row in self.rows
        )
        return replace(self, rows=rows)

    def change_to(self, after: "Profile") -> dict[str, int]:
        """Return parameters and multiply-adds of this network and of what became of it, as measurements of a step."""
        return {"params_before": self.params, "params": after.params, "macs_before": self.macs, "macs": after.macs}

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

    def table(self, *, sort: str | None = None, top: int | None = None, depth: int | None = None) -> str:
        """Return the calls as a table, with what is to be known of the whole below it.

        Args:
            sort: A figure by which the greatest come first: params, macs, flops, bytes_moved, memory_bytes,
                flops_per_byte, ms, measured_ms …; None keeps the order of execution.
            top: So many lines at most, the others summed up in one; None shows all.
            depth: Calls inside one module of this depth become one line; None shows each call.

        Raises:
            SettingError: There is no such figure, or a number is below 1.
        """
        lines = listing(self.rows, self.prediction, self.convention, sort=sort, top=top, depth=depth)
        return "\n".join([table_of(lines, self.params, self.convention, title=self._title()), "", *self._summary()])

    def csv(self, *, sort: str | None = None, top: int | None = None, depth: int | None = None) -> str:
        """Return the same lines with all figures, as comma-separated values with a head."""
        lines = listing(self.rows, self.prediction, self.convention, sort=sort, top=top, depth=depth)
        return csv_of(lines)

    def __str__(self) -> str:
        return self.table()

    def _title(self) -> str:
        shapes = " and ".join("x".join(map(str, one)) for one in self.inputs)
        return f"{self.name}, input {shapes}"

    def _summary(self) -> list[str]:
        peaks = self.peak_memory
        kib = {name: f"{getattr(peaks, name).peak_bytes / 1024:,.0f} KiB" for name in peaks.__slots__}
        lines = [
            f"{self.params:,} parameters, {self.macs:,} MACs, {self.flops:,} FLOPs, {self.bytes_moved:,} bytes moved",
            f"peak memory of activations: {kib['separate']}; in place {kib['in_place']}; "
            f"folded {kib['folded']}, at {peaks.folded.layer or 'the input'}",
        ]
        if self.unknown:
            lines.append(f"not counted, as nobody knows their formula: {', '.join(self.unknown)}")
        if self.prediction:
            lines.append(self.prediction.summary())
        return lines
