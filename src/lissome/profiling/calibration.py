"""How much of the roof an engine reaches, by kind of work, learnt from networks whose latency was measured.

With t_nk the roofline's time of work k in network n, c_n its calls, and m_n its measured time, find x_k ≥ x_min and
y ≥ 0 that make Σ_k t_nk x_k + c_n y as near to m_n as they can, each network counting alike. Then 1 / x_k is the share
of the roof that is reached.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lissome.core.errors import BadDataError
from lissome.devices.device import Device
from lissome.profiling.roofline import REST, predict, work_of
from lissome.profiling.rows import Profile

_LEAST = 0.1  # Winograd and Strassen can be quicker than the roof says, but not by a factor of ten
_PULL = 0.1
_SHARE = 0.02  # of the roofline's time, on average over the networks
_ROUNDS = 3
_TOLERANCE = 1e-12

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What `predict` takes to say about how long an engine takes, rather than how long a chip has to.

    Args:
        efficiency: The share of the roof for each kind of work, "*" for the others.
        call_ms: What each call costs besides.
    """

    efficiency: Mapping[str, float]
    call_ms: float


def calibrate(measured_ms: Sequence[tuple[Profile, float]], device: Device, *, fewest: int = 3) -> Calibration:
    """Return how much of the roof an engine reaches.

    Calls that an engine fuses with the layer before them are taken to cost nothing.

    Args:
        measured_ms: Networks, each with its measured milliseconds.
        device: What they were measured on.
        fewest: Networks in which a kind of work must occur to have an efficiency of its own, ≥ 1; it must also make up
            2 % of the time.

    Raises:
        BadDataError: There is no network, or a time that is not above 0.
    """
    if not measured_ms or any(not ms > 0 for _, ms in measured_ms):
        raise BadDataError("needs networks with times above 0", where="calibrate", fix="measure some networks")
    tables = [_times(cost, device) for cost, _ in measured_ms]
    names = _frequent(tables, fewest)
    columns = [*names, REST, _CALLS]
    shares = np.zeros((len(tables), len(columns)))
    for place, (table, (_, ms)) in enumerate(zip(tables, measured_ms, strict=True)):
        for work, time in table.items():
            column = columns.index(work) if work in names or work == _CALLS else len(names)
            shares[place, column] += time / ms
    stretch = _fit(shares, least=np.array([*[_LEAST] * (len(names) + 1), 0.0]))
    efficiency = {name: float(1 / one) for name, one in zip([*names, REST], stretch[:-1], strict=True)}
    return Calibration(efficiency=efficiency, call_ms=float(stretch[-1]))


_CALLS = "calls"


def _frequent(tables: Sequence[Mapping[str, float]], fewest: int) -> list[str]:
    """Return the kinds of work that occur often enough, and take long enough, for their efficiency to show."""
    shares: dict[str, list[float]] = {}
    for table in tables:
        whole = sum(time for work, time in table.items() if work != _CALLS)
        for work, time in table.items():
            if work != _CALLS:
                shares.setdefault(work, []).append(time / whole if whole else 0.0)
    return [work for work, mine in shares.items() if len(mine) >= fewest and sum(mine) >= _SHARE * len(tables)]


def _times(cost: Profile, device: Device) -> dict[str, float]:
    """Return the roofline's milliseconds of each kind of work, and the number of calls."""
    table: dict[str, float] = {_CALLS: 0}
    for row, time in zip(cost.rows, predict(cost, device).rows, strict=True):
        if row.bytes_moved and not row.is_fused:
            work = work_of(row)
            table[work] = table.get(work, 0.0) + time.ms
            table[_CALLS] += 1
    return table


def _fit(shares: Floats, *, least: Floats) -> Floats:
    """Minimise |A x - 1|² + |P (x - x₀)|² over x ≥ least, P pulling lightly towards one stretch for all work.

    Source:
        Lawson and Hanson 1974, "Solving Least Squares Problems", Chapter 23, for what lies above the least.
    """
    whole = shares[:, :-1].sum(1)
    start = np.full(shares.shape[1], float(whole.sum() / max(whole @ whole, 1e-12)))
    start[-1] = 0.0
    # Relative to a column's own weight, since calls are counted in another unit than times.
    pull = np.diag(_PULL * np.sqrt((shares**2).sum(0)))
    matrix = np.vstack([shares, pull])
    target = np.concatenate([np.ones(len(shares)), pull @ start]) - matrix @ least
    return least + _nonnegative(matrix, target)


def _nonnegative(matrix: Floats, target: Floats) -> Floats:
    """Minimise |A z - b|² over z ≥ 0."""
    size = matrix.shape[1]
    z, free = np.zeros(size), np.zeros(size, bool)
    for _ in range(_ROUNDS * size):
        gain = np.where(free, -np.inf, matrix.T @ (target - matrix @ z))
        if free.all() or gain.max() <= _TOLERANCE:
            break
        free[gain.argmax()] = True
        while True:
            trial = np.zeros(size)
            trial[free] = np.linalg.lstsq(matrix[:, free], target, rcond=None)[0]
            negative = free & (trial <= 0)
            if not negative.any():
                break
            step = (z[negative] / (z[negative] - trial[negative])).min()
            z = z + step * (trial - z)
            free &= z > _TOLERANCE
            z[~free] = 0
        z = trial
    return z
