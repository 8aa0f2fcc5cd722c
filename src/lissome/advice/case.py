"""A network on a device, as the rules of advice see it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn

from lissome.advice.ghosts import Ghosts
from lissome.advice.tip import Basis
from lissome.devices.device import Device
from lissome.profiling.profile import Profile, Row
from lissome.profiling.roofline import predict_rows
from lissome.timing.source_graph import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What a profile does not have: which call reads which.

    Args:
        calls: The calls of the network.
        rows: The profile's row of each call that has one.
        layers: The layer of each call that is one.
        readers: Which calls read each call.
    """

    calls: tuple[Call, ...]
    rows: Mapping[int, int]
    layers: Mapping[int, nn.Module]
    readers: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A network on a device.

    Args:
        cost: Its profile.
        device: The device.
        precision: What it computes in there.
        ms: Time of each row of the profile.
        basis: Whether those times are predicted or measured.
        is_quantized: Whether the network rounds to integers already.
        wiring: Which call reads which; None where only a profile was given.
        ghosts: Similar feature maps; None where no images were given.
        measured_int8_ms: Time of the network in int8 on the same engine, where that was measured.
    """

    cost: Profile
    device: Device
    precision: str
    ms: Sequence[float]
    basis: Basis = "predicted"
    is_quantized: bool = False
    wiring: Wiring | None = None
    ghosts: Ghosts | None = None
    measured_int8_ms: float | None = None
    total_ms: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total_ms", sum(self.ms))

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of the profile."""
        return self.cost.rows

    def predicted(self, rows: Iterable[Row], *, precision: str | None = None) -> float:
        """Return what the roofline says some rows take."""
        return predict_rows(rows, self.device, precision=precision or self.precision).total_ms

    def gain(self, before: Sequence[int], after: Iterable[Row]) -> float:
        """Return the time saved by putting other rows in the place of some, ≥ 0.

        The share that the roofline predicts is taken of the rows' own time, so that measured times stay the measure.

        Args:
            before: Numbers of the rows that go.
            after: The rows that come.
        """
        predicted = self.predicted(self.rows[one] for one in before)
        if predicted <= 0:
            return 0.0
        return max(0.0, 1 - self.predicted(after) / predicted) * self.time(before)

    def time(self, rows: Iterable[int]) -> float:
        """Return the time of some rows together."""
        return sum(self.ms[one] for one in rows)
