"""How long each layer of a network takes on an engine, as a result that prints."""

from dataclasses import dataclass
from typing import Any, Literal

from lissome.core.text_table import render
from lissome.timing.measure import Latency
from lissome.timing.utilisation import Utilisation

Order = Literal["execution", "time"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTime:
    """One layer as the engine runs it.

    Args:
        layers: Layers of the source network it stands for: several where the engine fused them, none where it put the
            layer in itself (a change of layout, a copy).
        name: The engine's name for it.
        operator: The engine's kind of layer.
        latency_ms: Median time.
        share: Of the time of all layers.
        macs: Multiply-adds of the source layers.
        bytes_moved: float32 bytes that go in and out, weights included.
        utilisation: The achieved share of the device's peaks; None without a device.
    """

    layers: tuple[str, ...]
    name: str
    operator: str
    latency_ms: float
    share: float
    macs: int
    bytes_moved: int
    utilisation: Utilisation | None = None

    @property
    def gflops(self) -> float:
        """Achieved billions of FLOPs a second, 2 for each MAC."""
        return 2e-6 * self.macs / self.latency_ms if self.latency_ms else 0.0

    @property
    def label(self) -> str:
        """The source layers in one line."""
        if not self.layers:
            return f"({self.operator})"
        return self.layers[0] + (f" +{len(self.layers) - 1}" if len(self.layers) > 1 else "")

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain JSON values."""
        names = ("name", "operator", "latency_ms", "share", "macs", "bytes_moved", "gflops")
        table: dict[str, Any] = {"layers": list(self.layers)} | {name: getattr(self, name) for name in names}
        return table | {"utilisation": self.utilisation.to_dict() if self.utilisation else None}


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTiming:
    """A network on one engine, layer by layer.

    Args:
        name: The network.
        runtime: The engine.
        version: Its version.
        precision: What it computes in.
        threads: Its threads.
        inputs: Shapes of the inputs.
        latency: Time of a whole run without the clocks.
        rows: The engine's layers in the order they run.
        runs: Runs that count.
        stalled: Runs that were disturbed and left out.
        device: Whose peaks the shares are of; "" for none.
        utilisation: Of the whole network, over a run without the clocks.
    """

    name: str
    runtime: str
    version: str
    precision: str
    threads: int
    inputs: tuple[tuple[int, ...], ...]
    latency: Latency
    rows: tuple[LayerTime, ...]
    runs: int
    stalled: int
    device: str = ""
    utilisation: Utilisation

    @property
    def layers_ms(self) -> float:
        """Sum of the layers' medians."""
        return sum(row.latency_ms for row in self.rows)

    @property
    def overhead(self) -> float:
        """What the layers take together beyond a run without clocks, as a share of it.

        Above 0 the clocks cost time; below 0 the engine spends time between its layers.
        """
        return self.layers_ms / self.latency.median_ms - 1

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain JSON values."""
        names = ("name", "runtime", "version", "precision", "threads", "runs", "stalled", "device")
        return {name: getattr(self, name) for name in names} | {
            "inputs": [list(one) for one in self.inputs],
            "latency": self.latency.to_dict(),
            "layers_ms": self.layers_ms,
            "overhead": self.overhead,
            "utilisation": self.utilisation.to_dict(),
            "layer_times": [row.to_dict() for row in self.rows],
        }

    def table(self, *, by: Order = "execution", top: int | None = None) -> str:
        """Return the layers as a text table.

        Args:
            by: The order of the rows.
            top: At most so many rows; None shows all.
        """
        rows = sorted(self.rows, key=lambda row: -row.latency_ms) if by == "time" else list(self.rows)
        columns = ["layer", "operator", "ms", "share", "MACs", "bytes", "GFLOPS"]
        columns += ["of peak", "of bandwidth"] if self.device else []
        shown = [_cells(row, with_shares=bool(self.device)) for row in rows[:top]]
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        title = (
            f"{self.name} on {self.runtime} {self.version}, {self.precision}, {threads}: "
            f"{self.latency.median_ms:.3f} ms (min {self.latency.min_ms:.3f}, max {self.latency.max_ms:.3f}) a run"
        )
        foot = [
            f"layers together {self.layers_ms:.3f} ms, {self.overhead:+.1%} beside a run without clocks; "
            f"{self.runs} runs, {self.stalled} disturbed and left out",
            str(self.utilisation),
        ]
        if top is not None and top < len(rows):
            foot.insert(0, f"{len(rows) - top} more layers")
        return "\n".join([render(columns, shown, title=title, left=2), *foot])

    def __str__(self) -> str:
        return self.table()


def _cells(row: LayerTime, *, with_shares: bool) -> list[str]:
    cells = [row.label, row.operator, f"{row.latency_ms:.4f}", f"{row.share:.1%}", f"{row.macs:,}"]
    cells += [f"{row.bytes_moved:,}", f"{row.gflops:.1f}"]
    if with_shares:
        one = row.utilisation
        cells += [one.percent("flops"), one.percent("bandwidth")] if one else ["", ""]
    return cells
